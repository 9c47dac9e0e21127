#include "clip_hpc/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "clip_hpc/config/rows.hpp"

namespace clip_hpc {

std::span<const Schedule> schedules() {
  static constexpr Schedule kSchedules[] = {
      {"cosine", "half a cosine to 0",
       [](double lr, double progress) { return 0.5 * lr * (1.0 + std::cos(std::numbers::pi * progress)); }},
      {"linear", "a line to 0", [](double lr, double progress) { return lr * (1.0 - progress); }},
      {"constant", "", [](double lr, double) { return lr; }},
  };
  return kSchedules;
}

std::int64_t warmup_steps(double warmup, std::int64_t total_steps) {
  const double steps = warmup < 1.0 ? warmup * static_cast<double>(total_steps) : warmup;
  return std::min(total_steps, static_cast<std::int64_t>(std::llround(steps)));
}

double learning_rate(const OptimOptions& options, std::int64_t step, std::int64_t total_steps) {
  const std::int64_t warm = warmup_steps(options.warmup, total_steps);
  if (step < warm) return options.lr * static_cast<double>(step + 1) / static_cast<double>(warm);
  const double left = static_cast<double>(std::max<std::int64_t>(1, total_steps - warm));
  const double progress = std::min(1.0, static_cast<double>(step - warm) / left);
  return row_named(schedules(), options.schedule, "schedule").rate(options.lr, progress);
}

}  // namespace clip_hpc
