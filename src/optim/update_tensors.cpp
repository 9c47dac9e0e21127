#include "optim/update_tensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_hpc {

void update_by_tensors(ParameterArena& arena, const std::vector<UpdateRange>& ranges, const at::Tensor& norm,
                       double clip_norm, const std::function<void(const UpdatePiece&)>& body) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 24;
  const at::Tensor applies = norm.isfinite();
  // clip_factor() of update_math.hpp, on the device.
  const at::Tensor clip =
      (clip_norm > 0 ? at::where(norm > clip_norm, clip_norm / (norm + 1e-6), 1.0) : at::ones_like(norm))
          .to(at::kFloat);
  const std::int64_t first = arena.held().begin;
  for (const UpdateRange& range : ranges) {
    for (std::int64_t begin = range.begin; begin < range.end; begin += kLongest) {
      const std::int64_t count = std::min(kLongest, range.end - begin);
      const at::Tensor gradient = arena.gradients().narrow(0, begin, count).to(at::kFloat) * clip;
      body({begin - first, count, arena.master().narrow(0, begin - first, count),
            at::where(applies, gradient, at::zeros_like(gradient)), range.decay, applies});
    }
  }
  arena.refresh_weights();
}

void assign(const UpdatePiece& piece, const at::Tensor& target, const at::Tensor& value) {
  target.copy_(at::where(piece.applies, value, target));
}

}  // namespace clip_hpc
