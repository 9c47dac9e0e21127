// What a run says about itself while it trains: a line of metrics.jsonl and of the log every run.log_every steps.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/data/loading/loader.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/train/setup.hpp"
#include "clip_hpc/train/symptoms.hpp"

namespace clip_hpc {

class Diagnostics {
 public:
  Diagnostics(const TrainingRun& run, TrainStep& step, const BatchLoader& loader);

  // Collective, with nothing on its way between the ranks. Reads numbers from the device only where a line is due, or
  // where reading costs nothing. Returns on all ranks why the run must end: train.non_finite_limit steps in a row had
  // no finite gradient.
  std::optional<Error> after_step(const Batch& batch, const PairBatch& pairs, const StepResult& result, double lr);

  void begin_anew();  // the time since the last line is not training's
  double session_s() const { return session_.seconds(); }

 private:
  struct Window {  // sums since the last line
    Timer timer;
    double text_tokens = 0, data_wait_s = 0, comm_wait_s = 0;  // the waits: what they were when it began
    std::int64_t steps = 0, kept_patches = 0, image_size = 0;  // the latter two of the last step
  };
  Window new_window() const;
  bool is_due() const;
  std::optional<Error> problem_of(const Batch& batch) const;
  MetricsLine measure(const StepResult& result, double lr);
  void say(const MetricsLine& line);
  void say_bad_samples(std::int64_t bad);

  const TrainingRun& run_;
  TrainStep& step_;
  const BatchLoader& loader_;
  Timer session_;
  Window window_;
  std::string said_refusal_;
  std::int64_t said_bad_samples_ = 0;
  std::set<std::uint64_t> said_bad_ids_;
  Symptoms symptoms_;
};

}  // namespace clip_hpc
