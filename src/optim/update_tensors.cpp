#include "optim/update_tensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_hpc {

void UpdatePiece::assign(const at::Tensor& target, const at::Tensor& value) const {
  target.copy_(at::where(applies, value, target));
}

TensorUpdate::TensorUpdate(ParameterArena& arena) : arena_(arena) {
  const ArenaSlice held = arena.held();
  const at::Tensor decays = at::zeros({held.size()}, at::kBool);
  const bool is_scaled =
      std::ranges::any_of(arena.update_ranges(), [](const UpdateRange& one) { return one.lr_scale != 1; });
  // Of equal ones, none is kept.
  const at::Tensor scales =
      is_scaled ? at::ones({held.size()}, at::kFloat) : at::ones({1}, at::kFloat).expand({held.size()});
  for (const UpdateRange& range : arena.update_ranges()) {
    decays.narrow(0, range.begin - held.begin, range.end - range.begin).fill_(range.decay);
    if (is_scaled) scales.narrow(0, range.begin - held.begin, range.end - range.begin).fill_(range.lr_scale);
    if (!runs_.empty() && runs_.back().end == range.begin) {
      runs_.back().end = range.end;
    } else {
      runs_.push_back({range.begin, range.end});
    }
  }
  decays_ = decays.to(arena.master().device());
  lr_scales_ = scales.to(arena.master().device());
}

void TensorUpdate::run(const at::Tensor& norm, double clip_norm, const std::function<void(const UpdatePiece&)>& body) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 24;
  const at::Tensor applies = norm.isfinite();
  // clip_factor() of update_math.hpp, on the device.
  const at::Tensor clip =
      (clip_norm > 0 ? at::where(norm > clip_norm, clip_norm / (norm + 1e-6), 1.0) : at::ones_like(norm))
          .to(at::kFloat);
  for (const ArenaSlice& run : runs_) {
    for (std::int64_t in_arena = run.begin; in_arena < run.end; in_arena += kLongest) {
      const std::int64_t count = std::min(kLongest, run.end - in_arena), begin = in_arena - arena_.held().begin;
      const at::Tensor gradient = arena_.gradients().narrow(0, in_arena, count).to(at::kFloat) * clip;
      body({begin, count, arena_.master().narrow(0, begin, count),
            at::where(applies, gradient, at::zeros_like(gradient)), decays_.narrow(0, begin, count),
            lr_scales_.narrow(0, begin, count), applies});
    }
  }
  arena_.refresh_weights();
}

}  // namespace clip_hpc
