#include "clip_hpc/train/diagnostics.hpp"

#include <array>
#include <cmath>
#include <numeric>

#include "clip_hpc/base/deadline.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace clip_hpc {
namespace {

std::string bar(double fraction) {
  constexpr std::size_t kWidth = 20;
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(kWidth));
  return fmt::format("[{:#<{}}{:.<{}}]", "", full, "", kWidth - full);
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

SymptomLimits limits_of(const TrainingRun& run) {
  return {.global_batch = run.config.train.global_batch,
          .total_steps = run.progress.total_steps,
          .is_softmax = run.config.strategy.loss == "softmax"};
}

}  // namespace

Diagnostics::Diagnostics(const TrainingRun& run, TrainStep& step, const BatchLoader& loader)
    : run_(run), step_(step), loader_(loader), window_(new_window()), symptoms_(limits_of(run)) {}

Diagnostics::Window Diagnostics::new_window() const {
  return {.timer = {}, .data_wait_s = loader_.counters().wait_s, .comm_wait_s = run_.communicator->wait_s()};
}

void Diagnostics::begin_anew() {
  window_ = new_window();
  step_.collect_s();
}

bool Diagnostics::is_due() const {
  const Progress& progress = run_.progress;
  return progress.step % run_.config.run.log_every == 0 || progress.step == progress.total_steps ||
         progress.step == run_.start_step + 1;
}

std::optional<Error> Diagnostics::after_step(const Batch& batch, const PairBatch& pairs, const StepResult& result,
                                             double lr) {
  window_.steps += 1;
  window_.text_tokens += tokens_of(pairs);
  window_.image_size = batch.image_size;
  window_.kept_patches = pairs.kept ? pairs.kept->size(1) : run_.model.image().patches_at(batch.image_size);
  if (!run_.device.is_cpu() && !is_due()) return std::nullopt;
  run_.communicator->synchronize();
  if (const std::optional<Error> problem = problem_of(batch)) return problem;
  if (!is_due()) return std::nullopt;
  if (step_.graph_refusal() != said_refusal_) {
    said_refusal_ = step_.graph_refusal();
    log_info("warning: train.cuda_graph is on, but there is no graph: {}", said_refusal_);
  }
  const MetricsLine line = measure(result, lr);
  if (run_.world.rank() == 0) {
    const Deadline deadline(run_.config.checkpoint.timeout_s, [this] {
      leave_hung_run(
          fmt::format("{} cannot be written: the storage does not answer", run_.request.folder.metrics_file().native()),
          ErrorKind::storage);
    });
    append_metrics(run_.request.folder.metrics_file(), line);
  }
  say(line);
  for (const std::string& symptom : symptoms_.observe(line, window_.steps)) log_info("warning: {}", symptom);
  window_ = new_window();
  say_bad_samples(line.bad_samples);
  return std::nullopt;
}

std::optional<Error> Diagnostics::problem_of(const Batch& batch) const {
  const auto in_a_row = run_.updater.counters.skipped_in_a_row.item<std::int64_t>();
  if (in_a_row < run_.config.train.non_finite_limit) return std::nullopt;
  return input_error(
      "{} steps in a row with a gradient that is not finite, up to step {}; this rank's samples: {}. "
      "Lower optim.lr or look at these samples",
      in_a_row, run_.progress.step, fmt::join(batch.sample_ids, " "));
}

MetricsLine Diagnostics::measure(const StepResult& result, double lr) {
  World& world = run_.world;
  const double comm_wait_s = run_.communicator->wait_s() - window_.comm_wait_s;
  const StepSeconds pieces_s = step_.collect_s();
  const LoaderCounters loaded = loader_.counters();
  std::array<double, 5> sums{result.loss.item<double>(), loaded.wait_s - window_.data_wait_s, comm_wait_s,
                             std::accumulate(pieces_s.begin(), pieces_s.end(), 0.0) - comm_wait_s,
                             static_cast<double>(loaded.bad_samples)};
  world.all_reduce_sum(sums);
  std::array<double, 2> memory{static_cast<double>(peak_rss_bytes()),
                               static_cast<double>(device_peak(run_.device.device, true).allocated_bytes)};
  world.all_reduce_max(memory);
  const double seconds = window_.timer.seconds(), all_seconds = seconds * world.size();
  const auto steps = static_cast<double>(window_.steps);
  const double macs =
      run_.model.forward_macs(window_.kept_patches, std::llround(window_.text_tokens / steps), window_.image_size) +
      run_.model.further_view_macs(std::ssize(run_.strategy.views) - 1, window_.image_size);
  MetricsLine line;
  line.step = run_.progress.step;
  line.samples_seen = run_.progress.samples_seen;
  line.epoch = static_cast<double>(line.samples_seen) / static_cast<double>(run_.data.epoch_samples);
  line.time_s = session_.seconds();
  line.loss = sums[0];
  line.logit_scale = std::exp(run_.model.logit_scale().item<double>());
  line.lr = lr;
  line.grad_norm = result.grad_norm.item<double>();
  line.samples_per_s = steps * static_cast<double>(run_.config.train.global_batch) / seconds;
  line.data_wait_share = sums[1] / all_seconds;
  line.comm_wait_share = sums[2] / all_seconds;
  line.compute_share = sums[3] / all_seconds;
  line.tflops = 6.0 * macs * line.samples_per_s / world.size() / 1e12;
  line.utilisation = line.tflops / run_.gemm_tflops;
  line.rss_bytes = static_cast<std::int64_t>(memory[0]);
  line.device_bytes = static_cast<std::int64_t>(memory[1]);
  line.skipped_steps = run_.updater.counters.skipped.item<std::int64_t>();
  line.bad_samples = static_cast<std::int64_t>(sums[4]);
  return line;
}

void Diagnostics::say(const MetricsLine& line) {
  const std::int64_t total = run_.progress.total_steps;
  const double eta_s =
      static_cast<double>(total - line.step) * window_.timer.seconds() / static_cast<double>(window_.steps);
  log_info(
      "{} step {}/{}  loss {:.3f}  {:.0f} samples/s  lr {:.2e}  |g| {:.2f}  scale {:.1f}  data wait {:.0f} %  comm "
      "wait {:.0f} %  {:.0f} % of GEMM  ETA {}",
      bar(static_cast<double>(line.step) / static_cast<double>(total)), line.step, total, line.loss, line.samples_per_s,
      line.lr, line.grad_norm, line.logit_scale, 100 * line.data_wait_share, 100 * line.comm_wait_share,
      100 * line.utilisation, clock_text(eta_s));
}

void Diagnostics::say_bad_samples(std::int64_t bad) {
  if (bad <= said_bad_samples_) return;
  said_bad_samples_ = bad;
  log_info("warning: {} samples so far cannot be read and were replaced", bad);
  for (const BadSample& one : loader_.bad_samples()) {
    if (said_bad_ids_.insert(one.sample_id).second) {
      log_warn("sample {} was replaced: {}", one.sample_id, one.reason);
    }
  }
}

}  // namespace clip_hpc
