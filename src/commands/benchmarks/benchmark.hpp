// The benchmarks of `clip_hpc bench`: a row of the table in command_bench.cpp and one file each.
#pragma once

#include <span>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

struct Benchmark {
  const char* name;
  const char* help;
  int (*run)(World& world, std::span<const std::string> arguments);  // collective; returns the exit code
};

Benchmark step_benchmark();
Benchmark load_benchmark();
Benchmark augment_benchmark();
Benchmark loss_benchmark();
Benchmark conv_benchmark();
Benchmark comm_benchmark();
Benchmark checkpoint_benchmark();

}  // namespace clip_hpc
