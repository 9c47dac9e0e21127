// The kernels of adamw_kernels.cu, run on the CPU by cuda_on_host.hpp, against the CPU's own steps.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/cuda_on_host.hpp"
// The kernels themselves.
#include "optim/adamw_kernels.cu"
#include "optim/update_ranges.hpp"
#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

// Ranges with and without decay whose borders fall inside of packs of four, and more elements than a block takes.
ParameterArena example(at::ScalarType compute) {
  ParameterArena arena;
  arena.declare("w", {70, 59}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("u", {3, 67}, {});
  arena.declare("c", {1}, {.decay = false});
  arena.declare("s", {}, {.decay = false});
  arena.declare("z", {9}, {});
  arena.allocate(compute);
  arena.master().copy_(at::linspace(-1, 1, arena.numel()));
  arena.refresh_weights();
  return arena;
}

// What the device has of a state.
struct DeviceState {
  explicit DeviceState(const ParameterArena& arena)
      : m(at::zeros({arena.numel()}, at::kFloat)), v(at::zeros({arena.numel()}, at::kFloat)) {}
  at::Tensor m, v;
  std::int64_t applied = 0;
};

// The step as the device library takes it, over pieces of the arena as large as `piece`.
template <class W>
void device_step(ParameterArena& arena, DeviceState& state, double norm, const OptimOptions& options, double lr,
                 std::int64_t piece, const at::Tensor& ranges) {
  AdamWUpdate update;
  launch_adamw_begin({&norm, &lr, &state.applied},
                     {options.beta1, options.beta2, options.eps, options.weight_decay, options.clip_norm}, &update,
                     nullptr);
  for (std::int64_t first = 0; first < arena.numel(); first += piece) {
    const AdamWArrays<W> arrays{arena.master().data_ptr<float>() + first, arena.weights().data_ptr<W>() + first,
                                arena.gradients().data_ptr<W>() + first, state.m.data_ptr<float>() + first,
                                state.v.data_ptr<float>() + first};
    launch_adamw_update(arrays, std::min(piece, arena.numel() - first), first, ranges.const_data_ptr<std::int64_t>(),
                        ranges.size(0), &update, nullptr);
  }
}

template <class W>
void check_steps(std::int64_t piece, double clip_norm) {
  const at::ScalarType compute = std::is_same_v<W, float> ? at::kFloat : at::kBFloat16;
  ParameterArena host = example(compute), device = example(compute);
  OptimOptions options;
  options.clip_norm = clip_norm;
  Updater of_host(host, options);
  DeviceState of_device(device);
  const at::Tensor ranges = range_table(device, device.update_ranges());
  for (int step = 0; step < 60; ++step) {
    const double lr = 0.002 * (step + 1) / 60;
    at::Tensor gradient = at::arange(host.numel(), at::kDouble).mul(0.1 + 0.01 * step).sin().mul(0.05);
    if (step % 20 >= 18) gradient[step] = step % 2 == 0 ? std::nan("") : HUGE_VAL;
    host.gradients().copy_(gradient);
    device.gradients().copy_(gradient);
    const double norm = gradient_norm(host, *make_self_communicator()).item<double>();
    test::step(of_host, lr);
    of_device.applied = of_host.counters.applied.item<std::int64_t>();
    device_step<W>(device, of_device, norm, options, lr, piece, ranges);
  }
  EXPECT_EQ(of_device.applied, 54);
  EXPECT_LT((host.master() - device.master()).abs().max().item<float>(), 1e-6F);
  EXPECT_TRUE(device.master().ne(example(compute).master()).all().item<bool>());  // everything moved
  EXPECT_TRUE(at::allclose(test::buffer(*of_host.optimizer, "m"), of_device.m, 1e-5, 1e-8));
  EXPECT_TRUE(at::allclose(test::buffer(*of_host.optimizer, "v"), of_device.v, 1e-5, 1e-12));
  EXPECT_TRUE(at::equal(device.weights(), device.master().to(compute)));
}

TEST(AdamWKernelsOnHost, ManyStepsAreTheCpus) {
  for (const std::int64_t piece : {100000, 4096, 1234, 97}) {
    for (const double clip_norm : {0.0, 1.0}) {
      SCOPED_TRACE(testing::Message() << piece << " " << clip_norm);
      check_steps<float>(piece, clip_norm);
      check_steps<c10::BFloat16>(piece, clip_norm);
    }
  }
}

TEST(AdamWKernelsOnHost, AStepThatIsSkippedTouchesNothing) {
  ParameterArena arena = example(at::kBFloat16);
  DeviceState state(arena);
  arena.gradients().fill_(1.0);
  for (const double norm : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    device_step<c10::BFloat16>(arena, state, norm, {}, 0.1, arena.numel(), range_table(arena, arena.update_ranges()));
  }
  EXPECT_TRUE(at::equal(arena.master(), example(at::kBFloat16).master()));
  EXPECT_TRUE(at::equal(arena.weights(), example(at::kBFloat16).weights()));
  EXPECT_EQ(state.m.abs().max().item<float>(), 0.0F);
  EXPECT_EQ(state.v.abs().max().item<float>(), 0.0F);
}

TEST(AdamWKernelsOnHost, WhatNoRangeHoldsIsLeftAlone) {
  ParameterArena arena = example(at::kBFloat16);
  DeviceState state(arena);
  state.applied = 1;
  arena.gradients().fill_(1.0);
  device_step<c10::BFloat16>(arena, state, 1.0, {}, 0.1, arena.numel(), range_table(arena, {{5, 4099, true}}));
  const at::Tensor moved = arena.master().ne(example(at::kBFloat16).master());
  EXPECT_EQ(moved.sum().item<std::int64_t>(), 4099 - 5);
  EXPECT_TRUE(moved.narrow(0, 5, 4099 - 5).all().item<bool>());
  EXPECT_EQ(state.m.ne(0).sum().item<std::int64_t>(), 4099 - 5);
  EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(at::kBFloat16)));
}

}  // namespace
}  // namespace clip_hpc
