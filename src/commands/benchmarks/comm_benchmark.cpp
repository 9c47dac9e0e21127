#include <fmt/format.h>

#include <set>

#include "clip_hpc/bench/bench_comm.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/run/bench_lines.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kCommUsage = R"(clip_hpc bench comm: collectives between the ranks, over sizes

algbw is bytes over time, busbw what each link carries, as nccl-tests count them: all-reduce 2 (n - 1) / n of algbw,
all-gather and reduce-scatter (n - 1) / n.

Examples:
  mpirun -np 4 clip_hpc bench comm
  srun --mpi=pmix clip_hpc bench comm --backend mpi --max-mib 64 --json comm.jsonl
)";

int run(World& world, std::span<const std::string> arguments) {
  CommOptions options;
  double min_kib = 1, max_mib = 16, seconds = 0.2;
  std::string json, device_word = "auto";
  ArgumentTable table;
  table.add("backend", options.backend, "auto, self, mpi, nccl", one_of({"auto", "self", "mpi", "nccl"}));
  table.add("device", device_word, "where the tensors lie: auto, cpu, cuda", one_of({"auto", "cpu", "cuda"}));
  table.add("min-kib", min_kib, "smallest message", in_range(0.004, 1e6));
  table.add("max-mib", max_mib, "largest message; sizes grow by 4", in_range(4e-6, 65536.0));
  table.add("seconds", seconds, "time of one measurement", in_range(0.001, 86400.0));
  table.add("json", json, "append one line a measurement to this file");
  if (!read_arguments(table, arguments, kCommUsage, world.rank() == 0)) return kExitDone;
  in_range(min_kib / 1024.0, 65536.0)("--max-mib", max_mib);
  const ComputeDevice device = choose_device(world, device_word);
  const auto comm = make_communicator(world, options, device);
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  const std::size_t nodes = std::set<std::string>(hosts.begin(), hosts.end()).size();
  if (world.rank() == 0) {
    fmt::print("{} communicator, {} ranks\n{:<16} {:>12} {:>7} {:>11} {:>12} {:>12} {:>6}\n", comm->name(),
               comm->size(), "operation", "bytes", "rounds", "us", "algbw MB/s", "busbw MB/s", "wrong");
  }
  for (double bytes = min_kib * 1024.0; bytes <= max_mib * 1048576.0; bytes *= 4) {
    for (const CommRate& rate : bench_comm(world, *comm, static_cast<std::int64_t>(bytes), seconds, device.device)) {
      if (world.rank() != 0) continue;
      fmt::print("{:<16} {:>12} {:>7} {:>11.2f} {:>12.1f} {:>12.1f} {:>6}\n", rate.operation, rate.bytes, rate.rounds,
                 rate.us, rate.algbw_mb_s, rate.busbw_mb_s, rate.wrong);
      append_bench_line(json, CommLine{.backend = std::string(comm->name()),
                                       .device = device.is_cpu() ? "cpu" : device.description,
                                       .ranks = comm->size(),
                                       .nodes = static_cast<int>(nodes),
                                       .operation = rate.operation,
                                       .bytes = rate.bytes,
                                       .us = rate.us,
                                       .algbw_mb_s = rate.algbw_mb_s,
                                       .busbw_mb_s = rate.busbw_mb_s,
                                       .wrong = rate.wrong});
    }
  }
  return kExitDone;
}

}  // namespace

Benchmark comm_benchmark() { return {"comm", "collectives between the ranks, over sizes", run}; }

}  // namespace clip_hpc
