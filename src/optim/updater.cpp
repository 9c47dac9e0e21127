#include "clip_hpc/optim/updater.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace clip_hpc {
namespace {

void keep_limits(ParameterArena& arena, const at::Tensor& norm) {
  if (norm.is_cpu() && !std::isfinite(norm.item<double>())) return;
  const ArenaSlice held = arena.held();
  for (const LimitedRange& range : arena.limited()) {
    const std::int64_t begin = std::max(range.offset, held.begin);
    const std::int64_t end = std::min(range.offset + range.numel, held.end);
    if (begin >= end) continue;  // another rank's
    const at::Tensor values = arena.master().narrow(0, begin - held.begin, end - begin);
    const at::Tensor limited = values.clamp(range.low, range.high);
    values.copy_(norm.is_cpu() ? limited : at::where(norm.isfinite(), limited, values));
    arena.weights().narrow(0, begin, end - begin).copy_(values);
  }
}

ParameterArena& with_decay(ParameterArena& arena, const OptimOptions& options) {
  arena.decay_positions(options.decay_positions);
  arena.scale_learning_rates(options.layer_decay);
  return arena;
}

}  // namespace

Updater::Updater(ParameterArena& of, const OptimOptions& options)
    : arena(with_decay(of, options)),
      name(options.name),
      counters(of.master().device()),
      optimizer(make_optimizer(of, options, counters)),
      average(of, options.ema) {}

void Updater::step(const at::Tensor& norm, const at::Tensor& lr, Communicator& comm) {
  const at::NoGradGuard no_grad;
  counters.count(norm);
  optimizer->step(norm, lr, comm);
  keep_limits(arena, norm);
  average.update(norm, counters);
}

std::int64_t Updater::state_bytes() const {
  std::size_t bytes = average.is_kept() ? average.weights().nbytes() : 0;
  for (const NamedBuffer& buffer : optimizer->state()) bytes += buffer.tensor.nbytes();
  return static_cast<std::int64_t>(bytes);
}

}  // namespace clip_hpc
