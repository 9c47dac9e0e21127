#include "clip_hpc/optim/adamw.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

ParameterArena example(at::ScalarType compute) {
  ParameterArena arena;
  arena.declare("w", {40, 5}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("logit_scale", {}, {.decay = false});
  arena.allocate(compute);
  arena.master().copy_(at::linspace(-1, 1, arena.numel()));
  arena.refresh_weights();
  return arena;
}

at::Tensor gradient_of_step(std::int64_t step, std::int64_t n) {
  return (at::arange(n, at::kDouble) * (0.1 + 0.01 * static_cast<double>(step))).sin() * 3.0;
}

TEST(AdamW, HundredStepsEqualADoublePrecisionReference) {
  ParameterArena arena = example(at::kFloat);
  AdamWState state = make_adamw_state(arena);
  OptimOptions options;
  options.clip_norm = 2.0;
  const std::int64_t n = arena.numel();
  at::Tensor x = arena.master().to(at::kDouble).clone(), m = at::zeros({n}, at::kDouble), v = at::zeros_like(m);
  const at::Tensor decay = (at::arange(n) < 200).to(at::kDouble);
  for (std::int64_t t = 1; t <= 100; ++t) {
    const at::Tensor g0 = gradient_of_step(t, n);
    arena.gradients().copy_(g0);
    const double lr = 1e-2 * static_cast<double>(t) / 100;
    adamw_step(arena, state, gradient_norm(arena, *make_self_communicator()), options,
               at::scalar_tensor(lr, at::kDouble), 2);
    const at::Tensor g = g0 * std::min(1.0, 2.0 / (g0.norm().item<double>() + 1e-6));
    m = options.beta1 * m + (1 - options.beta1) * g;
    v = options.beta2 * v + (1 - options.beta2) * g * g;
    const double c1 = 1 - std::pow(options.beta1, t), c2 = 1 - std::pow(options.beta2, t);
    x = x * (1 - lr * options.weight_decay * decay) - lr * (m / c1) / ((v / c2).sqrt() + options.eps);
    x[n - 1].clamp_(0.0, std::log(100.0));
  }
  EXPECT_LT((arena.master().to(at::kDouble) - x).abs().max().item<double>(), 2e-5);
}

TEST(AdamW, NonFiniteGradientChangesNothingButTheCount) {
  ParameterArena arena = example(at::kFloat);
  AdamWState state = make_adamw_state(arena);
  const at::Tensor before = arena.master().clone();
  arena.gradients().fill_(1.0);
  arena.gradients()[3] = std::nanf("");
  adamw_step(arena, state, gradient_norm(arena, *make_self_communicator()), {}, at::scalar_tensor(0.1, at::kDouble), 2);
  EXPECT_TRUE(at::equal(before, arena.master()));
  EXPECT_EQ(state.skipped.item<std::int64_t>(), 1);
  EXPECT_EQ(state.applied.item<std::int64_t>(), 0);
  EXPECT_EQ(state.m.abs().max().item<float>(), 0.0F);
}

TEST(AdamW, LogitScaleStaysBelowHundred) {
  ParameterArena arena = example(at::kBFloat16);
  AdamWState state = make_adamw_state(arena);
  for (int i = 0; i < 20; ++i) {
    arena.gradients().fill_(-1.0);
    adamw_step(arena, state, gradient_norm(arena, *make_self_communicator()), {}, at::scalar_tensor(1.0, at::kDouble),
               2);
  }
  EXPECT_FLOAT_EQ(arena.master()[arena.numel() - 1].item<float>(), static_cast<float>(std::log(100.0)));
  EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(at::kBFloat16)));
}

// The average of the clamped weights, with the decay growing to its full value in the first updates.
TEST(AdamW, TheAverageFollowsTheWeights) {
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    ParameterArena arena = example(compute);
    AdamWState state = make_adamw_state(arena, true);
    OptimOptions options;
    options.ema = 0.8;
    at::Tensor expected = arena.master().to(at::kDouble).clone();
    for (std::int64_t t = 1; t <= 60; ++t) {
      arena.gradients().copy_(gradient_of_step(t, arena.numel()));
      arena.gradients()[arena.numel() - 1] = -3.0;  // the scale is clamped in the end
      adamw_step(arena, state, gradient_norm(arena, *make_self_communicator()), options,
                 at::scalar_tensor(0.1, at::kDouble), 2);
      const double decay = std::min(0.8, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
      expected = decay * expected + (1 - decay) * arena.master().to(at::kDouble);
      ASSERT_LT((state.ema.to(at::kDouble) - expected).abs().max().item<double>(), 2e-6) << t;
    }
    EXPECT_FLOAT_EQ(arena.master()[arena.numel() - 1].item<float>(), static_cast<float>(std::log(100.0)));
  }
}

TEST(AdamW, RangesCoverTheArenaOnce) {
  const ParameterArena arena = example(at::kFloat);
  const auto ranges = decay_ranges(arena);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].end, 200);
  EXPECT_TRUE(ranges[0].decay);
  EXPECT_EQ(ranges[1].end, arena.numel());
}

TEST(Schedule, WarmUpAndCosine) {
  OptimOptions options;
  options.lr = 2.0;
  options.warmup = 10;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10, 110), 2.0);
  EXPECT_NEAR(learning_rate(options, 60, 110), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(options, 110, 110), 0.0, 1e-12);
  EXPECT_EQ(warmup_steps(0.05, 200), 10);
}

}  // namespace
}  // namespace clip_hpc
