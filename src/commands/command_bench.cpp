#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/rows.hpp"
#include "commands/benchmarks/benchmark.hpp"

namespace clip_hpc {
namespace {

std::span<const Benchmark> benchmarks() {
  static const Benchmark kBenchmarks[] = {
      step_benchmark(), load_benchmark(), augment_benchmark(),    loss_benchmark(),
      conv_benchmark(), comm_benchmark(), checkpoint_benchmark(),
  };
  return kBenchmarks;
}

constexpr const char* kExamples = R"(
Examples:
  mpirun -np 2 clip_hpc bench step --model configs/models/tiny.json --batch 128
  clip_hpc bench load --threads 4 --json load.jsonl
)";

void print_help() {
  fmt::print("clip_hpc bench: rates of this machine\n\n");
  for (const Benchmark& one : benchmarks()) fmt::print("  clip_hpc bench {:<12} {}\n", one.name, one.help);
  fmt::print("{}", kExamples);
}

}  // namespace

int command_bench(World& world, std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    if (world.rank() == 0) print_help();
    return kExitDone;
  }
  return row_named(benchmarks(), word, "benchmark").run(world, arguments.subspan(1));
}

}  // namespace clip_hpc
