#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/bench/bench_loss.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/run/bench_lines.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kLossUsage =
    R"(clip_hpc bench loss: the loss of one rank in large global batches, time and memory

The other ranks are simulated, and what this one gathers, computes and holds is that of training: forward and backward,
all columns of the logits at once, and a block of them at a time as train.loss_columns does it.

Example:
  clip_hpc bench loss --rows 1024 --global 8192 32768 131072 262144 --columns 8192
  clip_hpc bench loss --loss sigmoid --rows 4096 --global 32768 --dim 768
)";

int run(World& world, std::span<const std::string> arguments) {
  std::vector<std::int64_t> globals{8192, 32768, 131072, 262144};
  std::int64_t rows = 1024, dim = 512, columns = 8192, threads = 0;
  double seconds = 2, plain_limit_mib = 2048;
  std::string json, device_word = "auto", loss = "softmax";
  ArgumentTable table;
  table.add("global", globals, "global batches [8192 32768 131072 262144]");
  table.add("loss", loss, "softmax or sigmoid", one_of({"softmax", "sigmoid"}));
  table.add("rows", rows, "rows of this rank", at_least(1));
  table.add("dim", dim, "width of the features", at_least(1));
  table.add("columns", columns, "columns at a time", at_least(1));
  table.add("device", device_word, "auto, cpu or cuda", one_of({"auto", "cpu", "cuda"}));
  table.add("plain-limit-mib", plain_limit_mib, "leave the plain loss out where its logits are larger");
  table.add("threads", threads, "compute threads; 0: all cores", at_least(0));
  table.add("seconds", seconds, "time of one measurement", in_range(0.01, 86400.0));
  table.add("json", json, "append one line a measurement to this file");
  if (!read_arguments(table, arguments, kLossUsage, world.rank() == 0)) return kExitDone;
  if (world.size() > 1) throw input_error("clip_hpc bench loss measures one process: start it without mpirun");
  for (const std::int64_t global : globals) {
    at_least(rows)("--global", global);
    if (global % rows != 0) {
      throw input_error("--global {} is no multiple of --rows {}: all ranks have as many rows here", global, rows);
    }
  }
  const ComputeDevice device = choose_device(world, device_word);
  at::set_num_threads(compute_threads(world, threads));
  fmt::print("{:<8} {:>9} {:>6} {:>5} {:>9} {:>11} {:>12} {:>9} {:>10} {:>11}\n", "loss", "global", "rows", "dim",
             "columns", "forward ms", "backward ms", "GMAC", "peak MiB", "difference");
  for (const std::int64_t global : globals) {
    for (const LossRate& rate :
         bench_loss(loss_term(loss), global, rows, dim, columns, seconds, plain_limit_mib * 1048576.0, device.device)) {
      fmt::print("{:<8} {:>9} {:>6} {:>5} {:>9} {:>11.2f} {:>12.2f} {:>9.1f} {:>10.0f} {:>11.1e}\n", loss, rate.global,
                 rate.rows, rate.dim, rate.columns == 0 ? "all" : std::to_string(rate.columns), rate.forward_ms,
                 rate.backward_ms, rate.macs / 1e9, rate.peak_bytes / 1048576.0, rate.largest_difference);
      append_bench_line(json, LossLine{.device = device.is_cpu() ? "cpu" : device.description,
                                       .loss = loss,
                                       .global = rate.global,
                                       .rows = rate.rows,
                                       .dim = rate.dim,
                                       .columns = rate.columns,
                                       .threads = at::get_num_threads(),
                                       .forward_ms = rate.forward_ms,
                                       .backward_ms = rate.backward_ms,
                                       .macs = rate.macs,
                                       .peak_bytes = rate.peak_bytes,
                                       .largest_difference = rate.largest_difference});
    }
  }
  return kExitDone;
}

}  // namespace

Benchmark loss_benchmark() { return {"loss", "the loss of one rank in large global batches: time and memory", run}; }

}  // namespace clip_hpc
