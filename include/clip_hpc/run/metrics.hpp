// metrics.jsonl: one JSON line a log step, appended by rank 0. Values that were not measured are NaN here, null there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

struct MetricsLine {
  std::int64_t step = 0;
  std::int64_t samples_seen = 0;
  double epoch = kNotMeasured;
  double time_s = kNotMeasured;  // since the start of the run or, where it restarts at 0, of this session
  double loss = kNotMeasured;
  double logit_scale = kNotMeasured;
  double lr = kNotMeasured;
  double grad_norm = kNotMeasured;
  double samples_per_s = kNotMeasured;    // of all ranks together
  double data_wait_share = kNotMeasured;  // 0..1 of the step's time
  double comm_wait_share = kNotMeasured;  // 0..1 of the step's time
  double compute_share = kNotMeasured;    // 0..1 of the step's time: forward, backward, optimizer, no wait in them
  double tflops = kNotMeasured;           // a rank
  double utilisation = kNotMeasured;      // 0..1 of the measured GEMM peak
  std::int64_t rss_bytes = 0;             // of the largest rank
  std::int64_t device_bytes = 0;          // of the GPU that had most allocated at once, since the line before; 0: CPU
  std::int64_t skipped_steps = 0;         // since the start of the run: steps with gradients that were not finite
  std::int64_t bad_samples = 0;           // since the start of this session: unreadable ones that were replaced
};

// One write call a line, so a killed run leaves at most one broken line, the last; the next append removes it.
void append_metrics(const std::filesystem::path& file, const MetricsLine& line);

// Something that happened at a step and is no measurement, as a line of its own in the same file.
struct RunEvent {
  std::int64_t step = 0;
  std::string event;  // kEvaluationFailed
  std::string text;
};
inline constexpr const char* kEvaluationFailed = "evaluation_failed";
void append_event(const std::filesystem::path& file, const RunEvent& event);
std::vector<RunEvent> read_events(const std::filesystem::path& file);  // in the order of the file

// Ascending steps, without events. Where a resumed run goes over steps again, the later lines replace all lines from
// that step on. A truncated last line is ignored; any other broken line throws storage, naming the file and the line.
std::vector<MetricsLine> read_metrics(const std::filesystem::path& file);

// Seconds of training over all sessions: time_s may go on counting after a resume, or start again.
double training_time_s(std::span<const MetricsLine> lines);

}  // namespace clip_hpc
