#include "clip_hpc/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace clip_hpc {

std::int64_t warmup_steps(double warmup, std::int64_t total_steps) {
  const double steps = warmup < 1.0 ? warmup * static_cast<double>(total_steps) : warmup;
  return std::min(total_steps, static_cast<std::int64_t>(std::llround(steps)));
}

double learning_rate(const OptimOptions& options, std::int64_t step, std::int64_t total_steps) {
  const std::int64_t warm = warmup_steps(options.warmup, total_steps);
  if (step < warm) return options.lr * static_cast<double>(step + 1) / static_cast<double>(warm);
  if (options.schedule == "constant") return options.lr;
  const double left = static_cast<double>(std::max<std::int64_t>(1, total_steps - warm));
  const double progress = std::min(1.0, static_cast<double>(step - warm) / left);
  if (options.schedule == "linear") return options.lr * (1.0 - progress);
  return 0.5 * options.lr * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace clip_hpc
