// The lines that `clip_hpc bench … --json FILE` appends, and that clip_study (rates) and clip_report (scaling) read:
// one JSON object per measurement, told apart by "bench".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

struct RankTime {  // what one rank did in a step, means but for the last three
  int rank = 0;
  std::string host;
  double step_ms = 0, work_ms = 0, comm_wait_ms = 0, data_wait_ms = 0;
  double least_work_ms = 0, median_work_ms = 0, most_work_ms = 0;
};

struct StepLine {  // also of `bench load --with-step`, under another name in `bench`
  std::string bench = "step";
  std::string device, model;
  std::int64_t batch = 0;  // of all ranks
  std::string precision;
  double mask_ratio = 0;
  std::int64_t image_size = 0;  // 0: the model's
  bool slip = false;
  double text_tokens = 0;  // that are computed for a caption, on average
  bool pack_captions = false;
  std::int64_t micro_batch = 0, loss_columns = 0;
  bool recompute = false, shard_optimizer = false, cuda_graph = false;
  std::string attention, comm;
  int ranks = 1, threads = 1;
  double pairs_per_s = 0;
  double step_ms = 0, data_wait_ms = 0, prepare_ms = 0, forward_ms = 0, backward_ms = 0, optimizer_ms = 0;
  double comm_wait_ms = 0, gap_ms = 0;
  double tflops = 0, gemm_tflops = 0, of_gemm = 0;  // per rank; of_gemm is the first over the second
  std::int64_t state_bytes = 0, rss_bytes = 0, device_bytes = 0;
  std::optional<double> mfu;  // of a GPU
  int nodes = 1;
  std::int64_t gradient_bytes = 0, gradient_buckets = 1, gather_bytes = 0;
  double gradients_alone_ms = 0, gather_alone_ms = 0;
  std::vector<RankTime> rank_steps;
  std::optional<std::string> label;  // of a scaling study: weak, strong
};

struct CommLine {
  std::string backend, device;
  int ranks = 1, nodes = 1;
  std::string operation;
  std::int64_t bytes = 0;
  double us = 0, algbw_mb_s = 0, busbw_mb_s = 0;
  std::int64_t wrong = 0;
};

struct CheckpointLine {
  std::string model;
  int ranks = 1, nodes = 1;
  bool shard_optimizer = false;
  std::int64_t bytes = 0;
  double blocked_ms = 0;  // of it, what the training waits; older versions waited for all of write_ms
  double write_ms = 0, read_ms = 0;
};

struct LoadLine {
  std::string what;
  int threads = 1;
  double samples_per_s = 0, mib_per_s = 0;
};

struct LossLine {
  std::string device, loss;
  std::int64_t global = 0, rows = 0, dim = 0, columns = 0;
  int threads = 1;
  double forward_ms = 0, backward_ms = 0, macs = 0, peak_bytes = 0, largest_difference = 0;
};

Json to_json(const StepLine& line);
Json to_json(const CommLine& line);
Json to_json(const CheckpointLine& line);
Json to_json(const LoadLine& line);
Json to_json(const LossLine& line);

// Throw input, naming the key, where one has the wrong type or a key that a scaling report needs is not there. Keys
// that older versions did not write keep their default.
StepLine step_line_of(const Json& json);
CommLine comm_line_of(const Json& json);
CheckpointLine checkpoint_line_of(const Json& json);
LoadLine load_line_of(const Json& json);

// The achieved TFLOP/s of a GPU, backward included; nothing where the line measures something else.
struct MeasuredRate {
  std::string model, precision;
  double tflops = 0;
};
std::optional<MeasuredRate> rate_of_line(const Json& json);

template <class Line>
void append_bench_line(const std::filesystem::path& file, const Line& line);  // no file: nothing

}  // namespace clip_hpc
