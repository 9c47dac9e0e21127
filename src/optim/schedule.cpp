#include "clip_hpc/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/rows.hpp"

namespace clip_hpc {
namespace {

const Schedule& schedule_of(const OptimOptions& options) {
  return row_named(schedules(), options.schedule, "schedule");
}

std::string warmup_text(const OptimOptions& options, std::int64_t global_batch) {
  if (options.warmup_samples == 0) return fmt::format("optim.warmup = {} steps", options.warmup);
  return fmt::format("optim.warmup_samples = {} are {} steps of train.global_batch = {}", options.warmup_samples,
                     (options.warmup_samples + global_batch - 1) / global_batch, global_batch);
}

}  // namespace

std::span<const Schedule> schedules() {
  static constexpr Schedule kSchedules[] = {
      {"cosine", "half a cosine to 0", true,
       [](const OptimOptions&, const ScheduleTime& time) {
         return 0.5 * (1.0 + std::cos(std::numbers::pi * time.progress));
       }},
      {"linear", "a line to 0", true,
       [](const OptimOptions&, const ScheduleTime& time) { return 1.0 - time.progress; }},
      {"constant", "", false, [](const OptimOptions&, const ScheduleTime&) { return 1.0; }},
      // big_vision's, without its shift.
      {"rsqrt", "1 / sqrt(1 + steps since the warm-up / optim.rsqrt_timescale)", false,
       [](const OptimOptions& options, const ScheduleTime& time) {
         return 1.0 / std::sqrt(1.0 + time.steps / options.rsqrt_timescale);
       }},
  };
  return kSchedules;
}

std::span<const CooldownShape> cooldown_shapes() {
  static constexpr CooldownShape kShapes[] = {
      {"linear", "a line", [](double progress) { return 1.0 - progress; }},
      // Hagele et al. 2024, arXiv 2405.18392.
      {"1-sqrt", "1 less the root of the part that has passed",
       [](double progress) { return 1.0 - std::sqrt(progress); }},
  };
  return kShapes;
}

std::int64_t steps_of(double share_or_steps, std::int64_t total_steps) {
  const double steps = share_or_steps < 1.0 ? share_or_steps * static_cast<double>(total_steps) : share_or_steps;
  return std::min(total_steps, static_cast<std::int64_t>(std::llround(steps)));
}

std::int64_t warmup_steps(const OptimOptions& options, const RunSteps& run) {
  if (options.warmup_samples == 0) return steps_of(options.warmup, run.total);
  return std::min(run.total, (options.warmup_samples + run.global_batch - 1) / run.global_batch);
}

void check_schedule(const OptimOptions& options, const RunSteps& run) {
  const std::int64_t warm = warmup_steps(options, run);
  if ((options.warmup >= 1 || options.warmup_samples > 0) && warm >= run.total) {
    throw input_error(
        "{}, but {} has {}: it would never reach optim.lr. Write a share below 1 (optim.warmup = 0.05), or train "
        "longer",
        warmup_text(options, run.global_batch), run.what, run.total);
  }
  if (options.cooldown == 0) return;
  if (schedule_of(options).ends_at_zero) {
    throw input_error(
        "optim.cooldown = {}, but optim.schedule = {} ends at 0 by itself: use optim.schedule = constant or rsqrt, or "
        "optim.cooldown = 0",
        options.cooldown, options.schedule);
  }
  const std::int64_t cool =
      options.cooldown < 1 ? steps_of(options.cooldown, run.total) : std::llround(options.cooldown);
  if (warm + cool > run.total) {
    throw input_error(
        "optim.cooldown = {} and the warm-up are {} and {} steps, but {} has {}: make one of them shorter, or "
        "train longer",
        options.cooldown, cool, warm, run.what, run.total);
  }
}

double learning_rate(const OptimOptions& options, std::int64_t step, const RunSteps& run) {
  const std::int64_t warm = warmup_steps(options, run);
  if (step < warm) return options.lr * static_cast<double>(step + 1) / static_cast<double>(warm);
  const auto since = static_cast<double>(step - warm);
  const double left = static_cast<double>(std::max<std::int64_t>(1, run.total - warm));
  const double rate = options.lr * schedule_of(options).factor(options, {std::min(1.0, since / left), since});
  const std::int64_t cool = steps_of(options.cooldown, run.total), begin = run.total - cool;
  if (cool == 0 || step < begin) return rate;
  const double passed = std::min(1.0, static_cast<double>(step - begin) / static_cast<double>(cool));
  return rate * row_named(cooldown_shapes(), options.cooldown_shape, "shape of a cool-down").factor(passed);
}

}  // namespace clip_hpc
