#include "clip_hpc/optim/gradient_norm.hpp"

#include <algorithm>
#include <vector>

namespace clip_hpc {

at::Tensor gradient_norm(ParameterArena& arena, Communicator& comm) {
  // Chunks of fixed length, summed in a fixed order: the norm does not depend on the number of threads.
  constexpr std::int64_t kChunk = 65536;
  const ArenaSlice held = arena.held();
  const at::Tensor& g = arena.gradients();
  if (!g.is_cpu()) {
    const at::Tensor norm = at::linalg_vector_norm(g.narrow(0, held.begin, held.size()), 2, {}, false, at::kFloat);
    if (arena.share().parts == 1) return norm.to(at::kDouble);
    const at::Tensor squares = norm.to(at::kDouble).square();
    comm.all_reduce(squares, ReduceOp::sum);
    return squares.sqrt();
  }
  std::vector<at::Tensor> parts{at::zeros({}, at::kFloat)};  // a rank may hold nothing
  for (std::int64_t begin = held.begin; begin < held.end; begin += kChunk) {
    const at::Tensor part = g.narrow(0, begin, std::min(kChunk, held.end - begin)).to(at::kFloat);
    parts.push_back(at::dot(part, part));
  }
  at::Tensor squares = at::stack(parts).to(at::kDouble).sum();
  if (arena.share().parts > 1) comm.all_reduce(squares, ReduceOp::sum);
  return squares.sqrt();
}

}  // namespace clip_hpc
