#include "clip_hpc/train/symptoms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace clip_hpc {
namespace {

constexpr double kNearLogBatch = 0.01;     // of ln(batch)
constexpr std::int64_t kStuckSteps = 300;  // in a row, and
constexpr double kStuckFraction = 0.05;    // of the run: a long warm-up begins slowly
constexpr double kNearLimit = 1e-3;        // of the largest scale
constexpr double kSkippedFraction = 0.25;  // of the steps between two lines

}  // namespace

std::vector<std::string> Symptoms::observe(const MetricsLine& line, std::int64_t steps) {
  std::vector<std::string> found;
  const double chance = std::log(static_cast<double>(limits_.global_batch));
  const bool is_chance = limits_.is_softmax && std::abs(line.loss - chance) < kNearLogBatch * chance;
  stuck_steps_ = is_chance ? stuck_steps_ + steps : 0;
  const auto enough =
      std::max<std::int64_t>(kStuckSteps, std::llround(kStuckFraction * static_cast<double>(limits_.total_steps)));
  if (stuck_steps_ >= enough && first("chance")) {
    found.push_back(fmt::format(
        "the loss has been ln(batch) = {:.2f} for {} steps, that of a model that cannot tell any pair from another. "
        "Likely: captions that do not belong to their images or are all alike, or optim.lr = {:.1e} is far too high or "
        "low",
        chance, stuck_steps_, line.lr));
  }
  if (line.logit_scale >= limits_.largest_scale * (1 - kNearLimit) && first("scale")) {
    found.push_back(fmt::format(
        "the logit scale is at its limit of {:.0f}, at loss {:.2f}. {}", limits_.largest_scale, line.loss,
        line.loss < 0.1 * chance ? "Likely: the training pairs are learnt by heart; more data, or fewer epochs"
                                 : "In long runs that is usual; early, optim.lr is likely too high"));
  }
  const std::int64_t skipped = line.skipped_steps - skipped_before_;
  skipped_before_ = line.skipped_steps;
  const bool is_storm = skipped > 1 && static_cast<double>(skipped) >= kSkippedFraction * static_cast<double>(steps);
  if (is_storm && first("storm")) {
    found.push_back(fmt::format(
        "{} of the last {} steps had a gradient that is not finite and were left out. Likely: optim.lr is too high, or "
        "the warm-up too short; if only some samples do it, the run names them when it stops",
        skipped, steps));
  }
  return found;
}

}  // namespace clip_hpc
