#include <fmt/format.h>

#include <set>

#include "clip_hpc/bench/bench_checkpoint.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/run/bench_lines.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kCheckpointUsage =
    R"(clip_hpc bench checkpoint: a checkpoint of a model, written and read by all ranks

Written as training writes it: master weights, both moments and the weights, each rank its slice, synced to disk. What is
read back comes as a rule out of a page cache.

Example:
  mpirun -np 2 clip_hpc bench checkpoint --model configs/models/tiny.json --dir $SCRATCH/bench_checkpoint
)";

int run(World& world, std::span<const std::string> arguments) {
  CheckpointBenchOptions options;
  std::string model = "configs/models/tiny.json", folder = "bench_checkpoint_scratch", json;
  ArgumentTable table;
  table.add("model", model, "model JSON");
  table.add("dir", folder, "scratch folder that all ranks see: made, and removed at the end");
  table.add("rounds", options.rounds, "that are measured", in_range(std::int64_t{1}, std::int64_t{1000}));
  table.add("shard-optimizer", options.shard_optimizer, "each rank keeps a share of the optimizer state");
  table.add("json", json, "append one line to this file");
  if (!read_arguments(table, arguments, kCheckpointUsage, world.rank() == 0)) return kExitDone;
  options.model = read_model_config(model);
  options.folder = folder;
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  const CheckpointRate rate = bench_checkpoint(world, options);
  if (world.rank() != 0) return kExitDone;
  const auto mib_per_s = [&](double ms) { return static_cast<double>(rate.bytes) / 1048576.0 / (1e-3 * ms); };
  fmt::print("{:<16} {:>6} {:>10} {:>11} {:>10} {:>12} {:>10} {:>12}\n", "model", "ranks", "MiB", "blocked ms",
             "write ms", "write MiB/s", "read ms", "read MiB/s");
  fmt::print("{:<16} {:>6} {:>10.1f} {:>11.1f} {:>10.1f} {:>12.1f} {:>10.1f} {:>12.1f}\n", options.model.name,
             world.size(), static_cast<double>(rate.bytes) / 1048576.0, rate.blocked_ms, rate.write_ms,
             mib_per_s(rate.write_ms), rate.read_ms, mib_per_s(rate.read_ms));
  append_bench_line(json,
                    CheckpointLine{.model = options.model.name,
                                   .ranks = world.size(),
                                   .nodes = static_cast<int>(std::set<std::string>(hosts.begin(), hosts.end()).size()),
                                   .shard_optimizer = options.shard_optimizer,
                                   .bytes = rate.bytes,
                                   .blocked_ms = rate.blocked_ms,
                                   .write_ms = rate.write_ms,
                                   .read_ms = rate.read_ms});
  return kExitDone;
}

}  // namespace

Benchmark checkpoint_benchmark() { return {"checkpoint", "a checkpoint written and read by all ranks", run}; }

}  // namespace clip_hpc
