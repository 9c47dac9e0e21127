#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/bench/bench_conv.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kConvUsage =
    R"(clip_hpc bench conv: the depthwise convolutions of a ConvNeXt, beside those of LibTorch, channels last and in planes

Each width has half the side of the one before it. Forward, and the gradients of images, kernels and biases.

Example:
  clip_hpc bench conv --batch 16 --side 56 --widths 96 192 384 768 --precision bf16
)";

int run(World& world, std::span<const std::string> arguments) {
  std::int64_t batch = 8, side = 56, kernel = 7, threads = 0;
  std::vector<std::int64_t> widths{96, 192, 384, 768};
  double seconds = 2;
  std::string precision = "fp32", device_word = "auto";
  ArgumentTable table;
  table.add("batch", batch, "images", at_least(1));
  table.add("side", side, "places of a side in the first stage", at_least(1));
  table.add("widths", widths, "channels of each stage [96 192 384 768]");
  table.add("kernel", kernel, "side of the kernel, odd", at_least(1));
  table.add("precision", precision, "fp32 or bf16", one_of({"fp32", "bf16"}));
  table.add("device", device_word, "auto, cpu or cuda", one_of({"auto", "cpu", "cuda"}));
  table.add("threads", threads, "compute threads; 0: all cores", at_least(0));
  table.add("seconds", seconds, "time of one measurement", in_range(0.01, 86400.0));
  if (!read_arguments(table, arguments, kConvUsage, world.rank() == 0)) return kExitDone;
  if (world.size() > 1) throw input_error("clip_hpc bench conv measures one process: start it without mpirun");
  if (kernel % 2 == 0) throw input_error("--kernel {} must be odd", kernel);
  for (const std::int64_t width : widths) at_least(1)("--widths", width);
  const ComputeDevice device = choose_device(world, device_word);
  at::set_num_threads(compute_threads(world, threads));
  fmt::print("{:>5} {:>8} {:>14} {:>11} {:>12} {:>8}\n", "side", "channels", "what", "forward ms", "backward ms",
             "ratio");
  for (const std::int64_t width : widths) {
    const at::ScalarType type = precision == "fp32" ? at::kFloat : at::kBFloat16;
    const std::vector<ConvRate> rates = bench_conv(batch, side, width, kernel, type, seconds, device.device);
    for (const ConvRate& rate : rates) {
      fmt::print("{:>5} {:>8} {:>14} {:>11.2f} {:>12.2f} {:>8.2f}\n", side, width, rate.what, rate.forward_ms,
                 rate.backward_ms, rate.ms() / rates.front().ms());
    }
    side = std::max<std::int64_t>(1, side / 2);
  }
  return kExitDone;
}

}  // namespace

Benchmark conv_benchmark() { return {"conv", "depthwise convolutions, beside those of LibTorch", run}; }

}  // namespace clip_hpc
