#include "optim/tensor_pieces.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_hpc {

std::vector<TensorPiece> tensor_pieces(const ParameterArena& arena) {
  const ArenaSlice held = arena.held();
  std::vector<TensorPiece> pieces;
  std::int64_t tensor = -1;
  for (const ParameterSpec& spec : arena.trained()) {
    ++tensor;
    const std::int64_t begin = std::max(spec.offset, held.begin), end = std::min(spec.offset + spec.numel, held.end);
    if (begin >= end) continue;
    pieces.push_back({.tensor = tensor,
                      .begin = begin - held.begin,
                      .count = end - begin,
                      .in_arena = begin,
                      .first = begin - spec.offset,
                      .numel = spec.numel,
                      .decays = spec.decay,
                      .lr_scale = spec.lr_scale,
                      .extents = spec.factored_as.empty() ? spec.shape : spec.factored_as});
  }
  return pieces;
}

// clip_factor() of update_math.hpp, on the device.
StepGate::StepGate(const at::Tensor& norm, double clip_norm)
    : applies(norm.isfinite()),
      clip((clip_norm > 0 ? at::where(norm > clip_norm, clip_norm / (norm + 1e-6), 1.0) : at::ones_like(norm))
               .to(at::kFloat)) {}

at::Tensor StepGate::gradient(ParameterArena& arena, const TensorPiece& piece) const {
  return arena.gradients().narrow(0, piece.in_arena, piece.count).to(at::kFloat) * clip;
}

void StepGate::assign(const at::Tensor& target, const at::Tensor& value) const {
  target.copy_(at::where(applies, value, target));
}

}  // namespace clip_hpc
