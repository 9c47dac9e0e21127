#include "clip_hpc/train/run_length.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/optim/schedule.hpp"
#include "clip_hpc/strategy/strategy.hpp"

namespace clip_hpc {

std::int64_t total_steps(const TrainOptions& train, std::uint64_t epoch_samples) {
  const double asked =
      train.samples > 0 ? static_cast<double>(train.samples) : train.epochs * static_cast<double>(epoch_samples);
  if (asked > static_cast<double>(kMostSamples)) {
    throw input_error("train.epochs = {} of {} samples are {:.3g} samples: at most {} are possible", train.epochs,
                      epoch_samples, asked, kMostSamples);
  }
  const std::int64_t samples = train.samples > 0 ? train.samples : std::llround(asked);
  return std::max<std::int64_t>(1, (samples + train.global_batch - 1) / train.global_batch);
}

void check_length(const RunConfig& config, const TrainingData& data) {
  const auto batch = static_cast<std::uint64_t>(config.train.global_batch);
  if (data.distinct_samples < batch && !config.data.allow_repeats) {
    throw input_error(
        "train.global_batch = {}, but data.train has {} samples: pairs would meet themselves in a batch as wrong "
        "answers. Use a batch of at most {}, more data, or data.allow_repeats = true",
        batch, data.distinct_samples, data.distinct_samples);
  }
  const std::int64_t steps = total_steps(config.train, data.epoch_samples);
  for (const Leg& leg : legs(make_strategy(config.strategy).phases, steps)) {
    if (leg.begin == leg.end) continue;
    check_schedule(config.optim, {leg.end - leg.begin, config.train.global_batch,
                                  leg.lr ? "its part with a learning rate of its own" : "the run"});
  }
}

}  // namespace clip_hpc
