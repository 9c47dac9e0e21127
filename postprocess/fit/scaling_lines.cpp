#include "postprocess/fit/scaling_lines.hpp"

#include <algorithm>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/text.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

double mean_of(const std::vector<RankTime>& ranks, double RankTime::*member) {
  double sum = 0;
  for (const RankTime& one : ranks) sum += one.*member;
  return ranks.empty() ? 0 : sum / static_cast<double>(ranks.size());
}

template <class Number>
double above_zero(const char* key, Number value) {
  if (!(value > 0)) throw input_error("{} is {}, not above 0", key, value);
  return static_cast<double>(value);
}

int checked_count(const char* key, int value) {
  if (value < 1 || value > 10'000'000) throw input_error("{} is {}, not a number of them", key, value);
  return value;
}

StepRecord step_of(StepLine line) {
  StepRecord step{.label = line.label.value_or("weak"),
                  .ranks = checked_count("ranks", line.ranks),
                  .nodes = checked_count("nodes", line.nodes),
                  .model = line.model,
                  .precision = line.precision,
                  .device = line.device,
                  .batch = above_zero("batch", line.batch),
                  .step_ms = above_zero("step_ms", line.step_ms),
                  .pairs_per_s = above_zero("pairs_per_s", line.pairs_per_s),
                  .gradient_bytes = static_cast<double>(line.gradient_bytes),
                  .gradient_buckets = static_cast<double>(line.gradient_buckets),
                  .gradients_alone_ms = line.gradients_alone_ms,
                  .gather_bytes = static_cast<double>(line.gather_bytes),
                  .gather_alone_ms = line.gather_alone_ms,
                  .rank_times = std::move(line.rank_steps)};
  if (std::ssize(step.rank_times) != step.ranks) {
    throw input_error("rank_steps has {} entries for {} ranks", step.rank_times.size(), step.ranks);
  }
  return step;
}

CommRecord comm_of(const CommLine& line) {
  return {.operation = line.operation,
          .ranks = checked_count("ranks", line.ranks),
          .nodes = checked_count("nodes", line.nodes),
          .bytes = above_zero("bytes", line.bytes),
          .time_s = 1e-6 * above_zero("us", line.us),
          .busbw_mb_s = line.busbw_mb_s};
}

CheckpointRecord checkpoint_of(const CheckpointLine& line) {
  return {.ranks = checked_count("ranks", line.ranks),
          .nodes = checked_count("nodes", line.nodes),
          .bytes = above_zero("bytes", line.bytes),
          .blocked_ms = line.blocked_ms > 0 ? line.blocked_ms : line.write_ms,
          .write_ms = above_zero("write_ms", line.write_ms),
          .read_ms = above_zero("read_ms", line.read_ms)};
}

void read_line(const Json& line, ScalingRecords& records) {
  const std::string bench = line.at("bench");
  if (bench == "step") {
    records.steps.push_back(step_of(step_line_of(line)));
  } else if (bench == "comm") {
    records.comm.push_back(comm_of(comm_line_of(line)));
  } else if (bench == "checkpoint") {
    records.checkpoints.push_back(checkpoint_of(checkpoint_line_of(line)));
  } else if (bench == "load") {
    const LoadLine load = load_line_of(line);
    records.loads.push_back({.what = load.what,
                             .threads = static_cast<double>(load.threads),
                             .samples_per_s = load.samples_per_s,
                             .mib_per_s = load.mib_per_s});
  }
}

void read_file(const fs::path& file, ScalingRecords& records) {
  int number = 0;
  for (const std::string& text : split_lines(read_text_file(file))) {
    ++number;
    if (text.empty()) continue;
    try {
      read_line(parse_json(text), records);
    } catch (const std::exception& problem) {
      records.broken.push_back(fmt::format("{}:{}: {}", file.native(), number, problem.what()));
    }
  }
}

void note_missing(const fs::path& folder, ScalingRecords& records) {
  const fs::path plan = folder / "scaling.json";
  if (!fs::exists(plan)) return;
  try {
    const Json json = read_json_file(plan);
    for (const Json& point : json.at("points")) {
      const std::string name = point.at("name");
      if (!fs::exists(folder / (name + ".jsonl"))) {
        records.missing.push_back(fmt::format("{}: {} ranks on {} nodes{}", name, point.at("ranks").get<int>(),
                                              point.at("nodes").get<int>(),
                                              fs::exists(folder / (name + ".part")) ? ", begun and not ended" : ""));
      }
    }
  } catch (const std::exception& problem) {
    records.broken.push_back(fmt::format("{}: {}", plan.native(), problem.what()));
  }
}

}  // namespace

double StepRecord::work_ms() const { return mean_of(rank_times, &RankTime::work_ms); }
double StepRecord::comm_wait_ms() const { return mean_of(rank_times, &RankTime::comm_wait_ms); }
double StepRecord::data_wait_ms() const { return mean_of(rank_times, &RankTime::data_wait_ms); }
const RankTime& StepRecord::slowest() const { return *std::ranges::max_element(rank_times, {}, &RankTime::work_ms); }

ScalingRecords read_scaling(const fs::path& place) {
  std::vector<fs::path> files;
  if (fs::is_directory(place)) {
    for (const auto& entry : fs::directory_iterator(place)) {
      if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
    }
    std::ranges::sort(files);
  } else if (fs::exists(place)) {
    files.push_back(place);
  }
  if (files.empty()) {
    throw input_error("{} holds no .jsonl: clip_study scaling --output {} measures them", place.native(),
                      place.native());
  }
  ScalingRecords records;
  for (const fs::path& file : files) read_file(file, records);
  if (fs::is_directory(place)) note_missing(place, records);
  if (records.steps.empty()) {
    throw input_error("{} has no line of clip_hpc bench step{}", place.native(),
                      records.broken.empty() ? "" : ": " + records.broken.front());
  }
  // The last of the same: a stable order, then the last of each run of equals.
  const auto key = [](const StepRecord& s) { return std::tuple(s.label != "weak", s.label, s.ranks, s.nodes); };
  std::ranges::stable_sort(records.steps, {}, key);
  std::vector<StepRecord> last;
  for (StepRecord& step : records.steps) {
    if (!last.empty() && key(last.back()) == key(step)) last.pop_back();
    last.push_back(std::move(step));
  }
  records.steps = std::move(last);
  std::ranges::stable_sort(records.comm, {}, [](const CommRecord& c) { return std::tuple(c.ranks, c.nodes, c.bytes); });
  std::ranges::stable_sort(records.checkpoints, {}, &CheckpointRecord::ranks);
  return records;
}

}  // namespace clip_hpc
