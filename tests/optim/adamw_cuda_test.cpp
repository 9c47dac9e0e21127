// The kernels of adamw.cu, run on the CPU by cuda_on_host.hpp, against the CPU's own adamw_step.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/cuda_on_host.hpp"
// The kernels themselves.
#include "clip_hpc/optim/adamw.hpp"
#include "optim/adamw.cu"

namespace clip_hpc {
namespace {

constexpr std::size_t kLogitScale = 4;

// Ranges with and without decay whose borders fall inside of packs of four, and more elements than a block takes.
ParameterArena example(at::ScalarType compute) {
  ParameterArena arena;
  arena.declare("w", {70, 59}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("u", {3, 67}, {});
  arena.declare("c", {1}, {.decay = false});
  arena.declare("logit_scale", {}, {.decay = false});
  arena.declare("z", {9}, {});
  arena.allocate(compute);
  arena.master().copy_(at::linspace(-1, 1, arena.numel()));
  arena.master_view(kLogitScale).fill_(4.6);
  arena.refresh_weights();
  return arena;
}

// The step as the device library takes it, over pieces of the arena as large as `piece`.
template <class W>
void device_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                 double lr, std::int64_t piece) {
  std::vector<std::int64_t> ranges;
  for (const DecayRange& range : state.ranges) ranges.insert(ranges.end(), {range.end, range.decay ? 1 : 0});
  AdamWUpdate update;
  launch_adamw_begin({norm.data_ptr<double>(), &lr, state.applied.data_ptr<std::int64_t>(),
                      state.skipped.data_ptr<std::int64_t>(), state.skipped_in_a_row.data_ptr<std::int64_t>()},
                     {options.beta1, options.beta2, options.eps, options.weight_decay, options.clip_norm, options.ema},
                     &update, nullptr);
  for (std::int64_t first = 0; first < arena.numel(); first += piece) {
    const AdamWArrays<W> arrays{
        arena.master().data_ptr<float>() + first, arena.weights().data_ptr<W>() + first,
        arena.gradients().data_ptr<W>() + first,  state.m.data_ptr<float>() + first,
        state.v.data_ptr<float>() + first,        state.ema.defined() ? state.ema.data_ptr<float>() + first : nullptr};
    launch_adamw_update(arrays, std::min(piece, arena.numel() - first), first, ranges.data(),
                        static_cast<std::int64_t>(state.ranges.size()), arena.specs()[kLogitScale].offset, &update,
                        nullptr);
  }
}

template <class W>
void check_steps(std::int64_t piece, double clip_norm, double ema) {
  const at::ScalarType compute = std::is_same_v<W, float> ? at::kFloat : at::kBFloat16;
  ParameterArena host = example(compute), device = example(compute);
  AdamWState of_host = make_adamw_state(host, ema > 0), of_device = make_adamw_state(device, ema > 0);
  OptimOptions options;
  options.clip_norm = clip_norm;
  options.ema = ema;
  for (int step = 0; step < 60; ++step) {
    const double lr = 0.002 * (step + 1) / 60;
    at::Tensor gradient = at::arange(host.numel(), at::kDouble).mul(0.1 + 0.01 * step).sin().mul(0.05);
    gradient[host.specs()[kLogitScale].offset] = -0.05;  // pushes the scale against its limit
    if (step % 20 >= 18) gradient[step] = step % 2 == 0 ? std::nan("") : HUGE_VAL;
    host.gradients().copy_(gradient);
    device.gradients().copy_(gradient);
    const at::Tensor norm = gradient_norm(host, *make_self_communicator());
    adamw_step(host, of_host, norm, options, lr, kLogitScale);
    device_step<W>(device, of_device, norm, options, lr, piece);
    ASSERT_EQ(of_host.applied.item<std::int64_t>(), of_device.applied.item<std::int64_t>());
    ASSERT_EQ(of_host.skipped.item<std::int64_t>(), of_device.skipped.item<std::int64_t>());
    ASSERT_EQ(of_host.skipped_in_a_row.item<std::int64_t>(), of_device.skipped_in_a_row.item<std::int64_t>());
    ASSERT_EQ(of_device.skipped_in_a_row.item<std::int64_t>(), step % 20 >= 18 ? step % 20 - 17 : 0);
  }
  EXPECT_EQ(of_device.skipped.item<std::int64_t>(), 6);
  EXPECT_EQ(of_device.applied.item<std::int64_t>(), 54);
  EXPECT_LT((host.master() - device.master()).abs().max().item<float>(), 1e-6F);
  EXPECT_TRUE(device.master().ne(example(compute).master()).all().item<bool>());  // everything moved
  EXPECT_TRUE(at::allclose(of_host.m, of_device.m, 1e-5, 1e-8));
  EXPECT_TRUE(at::allclose(of_host.v, of_device.v, 1e-5, 1e-12));
  EXPECT_TRUE(at::equal(device.weights(), device.master().to(compute)));
  if (ema > 0) {
    EXPECT_LT((of_host.ema - of_device.ema).abs().max().item<float>(), 1e-6F);
    EXPECT_TRUE(of_device.ema.ne(example(compute).master()).all().item<bool>());
    EXPECT_TRUE(of_device.ema.ne(device.master()).all().item<bool>());
  }
  EXPECT_FLOAT_EQ(device.master_view(kLogitScale).item<float>(), static_cast<float>(std::log(100.0)));
}

TEST(AdamWKernelsOnHost, ManyStepsAreTheCpus) {
  for (const std::int64_t piece : {100000, 4096, 1234, 97}) {
    for (const double clip_norm : {0.0, 1.0}) {
      SCOPED_TRACE(testing::Message() << piece << " " << clip_norm);
      for (const double ema : {0.0, 0.9}) {
        check_steps<float>(piece, clip_norm, ema);
        check_steps<c10::BFloat16>(piece, clip_norm, ema);
      }
    }
  }
}

TEST(AdamWKernelsOnHost, AStepThatIsSkippedTouchesNothing) {
  ParameterArena arena = example(at::kBFloat16);
  AdamWState state = make_adamw_state(arena, true);
  arena.gradients().fill_(1.0);
  for (const double norm : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    device_step<c10::BFloat16>(arena, state, at::tensor(norm, at::kDouble), {}, 0.1F, arena.numel());
  }
  EXPECT_TRUE(at::equal(arena.master(), example(at::kBFloat16).master()));
  EXPECT_TRUE(at::equal(arena.weights(), example(at::kBFloat16).weights()));
  EXPECT_TRUE(at::equal(state.ema, example(at::kBFloat16).master()));
  EXPECT_EQ(state.m.abs().max().item<float>(), 0.0F);
  EXPECT_EQ(state.v.abs().max().item<float>(), 0.0F);
  EXPECT_EQ(state.skipped.item<std::int64_t>(), 2);
  EXPECT_EQ(state.skipped_in_a_row.item<std::int64_t>(), 2);
  EXPECT_EQ(state.applied.item<std::int64_t>(), 0);
}

}  // namespace
}  // namespace clip_hpc
