// Learning rate as a pure function of the step: linear warm-up, a schedule, and where asked a cool-down to zero.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "clip_hpc/optim/optim_options.hpp"

namespace clip_hpc {

struct RunSteps {
  std::int64_t total = 0;
  std::int64_t global_batch = 1;
  std::string_view what = "the run";  // in messages
};

struct ScheduleTime {
  double progress = 0;  // from 0 after the warm-up to 1 at the end
  double steps = 0;     // since the warm-up
};

struct Schedule {
  const char* name;
  const char* help;
  bool ends_at_zero;                                                        // it leaves nothing to cool down
  double (*factor)(const OptimOptions& options, const ScheduleTime& time);  // of the highest learning rate
};
std::span<const Schedule> schedules();

// What is left of the learning rate in a cool-down, of which `progress` has passed, from 0 to 1.
struct CooldownShape {
  const char* name;
  const char* help;
  double (*factor)(double progress);
};
std::span<const CooldownShape> cooldown_shapes();

// Below 1: a share of all steps; from 1 on: steps. At most the run's.
std::int64_t steps_of(double share_or_steps, std::int64_t total_steps);

std::int64_t warmup_steps(const OptimOptions& options, const RunSteps& run);

// Throws input: a warm-up and a cool-down that the run is too short for, or a cool-down that cannot be.
void check_schedule(const OptimOptions& options, const RunSteps& run);

// Step s counts from 0. Warm-up: lr (s + 1) / w for s < w. Cosine: lr (1 + cos(pi (s - w) / (total - w))) / 2. In a
// cool-down of c steps the schedule is multiplied with a factor of (s - (total - c)) / c; before it nothing depends on
// the end of a constant schedule, so that a cool-down may branch from a checkpoint of a longer run.
double learning_rate(const OptimOptions& options, std::int64_t step, const RunSteps& run);

}  // namespace clip_hpc
