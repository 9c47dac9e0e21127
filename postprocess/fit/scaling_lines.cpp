#include "postprocess/fit/scaling_lines.hpp"

#include <algorithm>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

double mean_of(const std::vector<RankTime>& ranks, double RankTime::*member) {
  double sum = 0;
  for (const RankTime& one : ranks) sum += one.*member;
  return ranks.empty() ? 0 : sum / static_cast<double>(ranks.size());
}

double above_zero(const Json& line, const char* key) {
  const double value = line.at(key);
  if (!(value > 0)) throw input_error("{} is {}, not above 0", key, value);
  return value;
}

int count_in(const Json& line, const char* key) {
  const auto value = line.at(key).get<std::int64_t>();
  if (value < 1 || value > 10'000'000) throw input_error("{} is {}, not a number of them", key, value);
  return static_cast<int>(value);
}

StepRecord step_of(const Json& line) {
  StepRecord step{.label = line.value("label", "weak"),
                  .ranks = count_in(line, "ranks"),
                  .nodes = count_in(line, "nodes"),
                  .model = line.at("model"),
                  .precision = line.at("precision"),
                  .device = line.at("device"),
                  .batch = above_zero(line, "batch"),
                  .step_ms = above_zero(line, "step_ms"),
                  .pairs_per_s = above_zero(line, "pairs_per_s"),
                  .gradient_bytes = line.at("gradient_bytes"),
                  .gradient_buckets = line.at("gradient_buckets"),
                  .gradients_alone_ms = line.at("gradients_alone_ms"),
                  .gather_bytes = line.at("gather_bytes"),
                  .gather_alone_ms = line.at("gather_alone_ms"),
                  .rank_times = {}};
  for (const Json& one : line.at("rank_steps")) {
    step.rank_times.push_back({.rank = one.at("rank"),
                               .host = one.at("host"),
                               .step_ms = one.at("step_ms"),
                               .work_ms = one.at("work_ms"),
                               .comm_wait_ms = one.at("comm_wait_ms"),
                               .data_wait_ms = one.at("data_wait_ms"),
                               .least_work_ms = one.at("least_work_ms"),
                               .median_work_ms = one.at("median_work_ms"),
                               .most_work_ms = one.at("most_work_ms")});
  }
  if (std::ssize(step.rank_times) != step.ranks) {
    throw input_error("rank_steps has {} entries for {} ranks", step.rank_times.size(), step.ranks);
  }
  return step;
}

void read_line(const Json& line, ScalingRecords& records) {
  const std::string bench = line.at("bench");
  if (bench == "step") {
    records.steps.push_back(step_of(line));
  } else if (bench == "comm") {
    records.comm.push_back({.operation = line.at("operation"),
                            .ranks = count_in(line, "ranks"),
                            .nodes = count_in(line, "nodes"),
                            .bytes = above_zero(line, "bytes"),
                            .time_s = 1e-6 * above_zero(line, "us"),
                            .busbw_mb_s = line.at("busbw_mb_s")});
  } else if (bench == "checkpoint") {
    records.checkpoints.push_back({.ranks = count_in(line, "ranks"),
                                   .nodes = count_in(line, "nodes"),
                                   .bytes = above_zero(line, "bytes"),
                                   .write_ms = above_zero(line, "write_ms"),
                                   .read_ms = above_zero(line, "read_ms")});
  } else if (bench == "load") {
    records.loads.push_back({.what = line.at("what"),
                             .threads = line.at("threads"),
                             .samples_per_s = line.at("samples_per_s"),
                             .mib_per_s = line.at("mib_per_s")});
  }
}

void read_file(const fs::path& file, ScalingRecords& records) {
  std::istringstream lines(read_text_file(file));
  std::string text;
  for (int number = 1; std::getline(lines, text); ++number) {
    if (text.empty()) continue;
    try {
      read_line(Json::parse(text), records);
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
