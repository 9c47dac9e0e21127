#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/benchmarks/step_report.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kStepUsage = R"(clip_hpc bench step: training steps on random pairs

Example:
  mpirun -np 2 clip_hpc bench step --model configs/models/ViT-S-16.json --batch 64 --precision bf16
)";

int run(World& world, std::span<const std::string> arguments) {
  StepBenchOptions options;
  std::string model = "configs/models/tiny.json", json, label, data;
  std::int64_t threads = 0;
  options.strategy.mask_ratio = 0;
  ArgumentTable table;
  table.add("model", model, "model JSON");
  add_step_options(table, options);
  table.add("threads", threads, "compute threads a rank; 0: cores / ranks of the node", at_least(0));
  table.add("seconds", options.seconds, "measured time", in_range(0.1, 86400.0));
  table.add("data", data, "packed set that a loader reads, instead of one batch over and over");
  table.add("workers", options.workers, "reading threads of --data", in_range(std::int64_t{1}, std::int64_t{1024}));
  table.add("label", label, "a word for the line of --json");
  table.add("json", json, "append one line to this file");
  if (!read_arguments(table, arguments, kStepUsage, world.rank() == 0)) return kExitDone;
  finish_step_options(options, model);
  options.data = data;
  at::set_num_threads(compute_threads(world, threads));
  keep_freed_memory();  // as training does
  const StepRate rate = bench_step(world, options);
  if (world.rank() != 0) return kExitDone;
  fmt::print("device: {}; attention: {}; tensors by: {}; GEMM: {:.3g} TFLOP/s; threads: {}\n", rate.device,
             rate.attention, rate.comm, rate.gemm_tflops, at::get_num_threads());
  print_step_head();
  print_step(options, rate, world.size());
  print_ranks(rate);
  StepLine line = line_of("step", options, rate, world.size());
  if (!label.empty()) line.label = label;
  append_bench_line(json, line);
  return kExitDone;
}

}  // namespace

Benchmark step_benchmark() { return {"step", "training steps on random pairs: forward, backward, optimizer", run}; }

}  // namespace clip_hpc
