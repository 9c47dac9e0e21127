#include "clip_hpc/optim/named_buffer.hpp"

#include <utility>

namespace clip_hpc {

NamedBuffer buffer_over(const ParameterArena& arena, std::string name, const at::Tensor& tensor) {
  if (arena.share().parts == 1) return {std::move(name), tensor, 0, 0};
  return {std::move(name), tensor, arena.held().begin, arena.numel()};
}

}  // namespace clip_hpc
