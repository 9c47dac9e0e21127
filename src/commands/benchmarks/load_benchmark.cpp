#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/bench/bench_load.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/benchmarks/step_report.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kLoadUsage = R"(clip_hpc bench load: reading, decoding and cropping on this node

Example:
  clip_hpc bench load --dir $SCRATCH/bench_load --threads 4
  clip_hpc bench load --threads 14 --with-step configs/models/ViT-B-16.json --batch 512 --precision bf16
)";

void run_with_step(World& world, const LoadBenchOptions& options, StepBenchOptions& step, const std::string& json) {
  // The step alone, and with the loader beside it: what the step loses, and how long it waits for pictures.
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();
  step.seconds = options.seconds;
  const StepRate alone = bench_step(world, step);
  const ScratchSet scratch(options);
  step.data = options.folder;
  step.workers = options.threads;
  const StepRate fed = bench_step(world, step);
  fmt::print("\nThe step on one batch, and on pictures that {} threads read meanwhile:\n", options.threads);
  print_step_head();
  print_step(step, alone, 1);
  print_step(step, fed, 1);
  fmt::print("the step waits for pictures {:.1f} % of the time\n", 100 * fed.data_wait_ms / fed.step_ms);
  append_bench_line(json, line_of("load_step_alone", step, alone, 1));
  append_bench_line(json, line_of("load_with_step", step, fed, 1));
}

int run(World& world, std::span<const std::string> arguments) {
  LoadBenchOptions options;
  StepBenchOptions step;
  std::string folder = "bench_load_scratch", json, with_step;
  auto samples = static_cast<std::int64_t>(options.samples);
  std::int64_t threads = options.threads;
  step.strategy.mask_ratio = 0;
  ArgumentTable table;
  table.add("dir", folder, "scratch folder: made, and removed at the end");
  table.add("samples", samples, "pictures that are made to read", at_least(1));
  table.add("threads", threads, "reading threads", at_least(1));
  table.add("seconds", options.seconds, "time of one measurement", in_range(0.01, 86400.0));
  table.add("with-step", with_step, "model JSON: also train on the pictures while they are read, with what follows");
  table.add("json", json, "append one line a measurement to this file");
  add_step_options(table, step);
  if (!read_arguments(table, arguments, kLoadUsage, world.rank() == 0)) return kExitDone;
  if (!with_step.empty()) finish_step_options(step, with_step);
  if (world.size() > 1) throw input_error("clip_hpc bench load measures one node: start it without mpirun");
  options.folder = folder;
  options.samples = static_cast<std::uint64_t>(samples);
  options.threads = static_cast<int>(threads);
  fmt::print("{:<36} {:>8} {:>14} {:>12}\n", "what", "threads", "samples/s", "MiB/s");
  std::vector<LoadRate> rates{bench_raw_read(options), bench_turbojpeg(options), bench_jpeg_read(options),
                              bench_jpeg_batches(options)};
  rates.push_back(bench_view("resize", 256, 3, 224, options.seconds));
  rates.push_back(bench_view("crop_flip", 256, 3, 224, options.seconds));
  rates.push_back(bench_view("drawing", 32, 1, 32, options.seconds));
  for (const LoadRate& rate : rates) {
    fmt::print("{:<36} {:>8} {:>14.0f} {:>12.1f}\n", rate.name, rate.threads, rate.samples_per_s, rate.mib_per_s);
    append_bench_line(json, LoadLine{rate.name, rate.threads, rate.samples_per_s, rate.mib_per_s});
  }
  if (!with_step.empty()) run_with_step(world, options, step, json);
  return kExitDone;
}

}  // namespace

Benchmark load_benchmark() { return {"load", "reading, decoding and cropping on this node", run}; }

}  // namespace clip_hpc
