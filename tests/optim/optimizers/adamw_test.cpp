#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::gradient_of_step;
using test::small_arena;

TEST(AdamW, HundredStepsEqualADoublePrecisionReference) {
  ParameterArena arena = small_arena(at::kFloat);
  OptimOptions options;
  options.clip_norm = 2.0;
  Updater updater(arena, options);
  const std::int64_t n = arena.numel();
  at::Tensor x = arena.master().to(at::kDouble).clone(), m = at::zeros({n}, at::kDouble), v = at::zeros_like(m);
  const at::Tensor decay = (at::arange(n) < test::kDecayed).to(at::kDouble);
  for (std::int64_t t = 1; t <= 100; ++t) {
    const at::Tensor g0 = gradient_of_step(t, n);
    arena.gradients().copy_(g0);
    const double lr = 1e-2 * static_cast<double>(t) / 100;
    test::step(updater, lr);
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
  ParameterArena arena = small_arena(at::kFloat);
  Updater updater(arena, {});
  const at::Tensor before = arena.master().clone();
  arena.gradients().fill_(1.0);
  arena.gradients()[3] = std::nanf("");
  test::step(updater, 0.1);
  EXPECT_TRUE(at::equal(before, arena.master()));
  EXPECT_EQ(updater.counters.skipped.item<std::int64_t>(), 1);
  EXPECT_EQ(updater.counters.applied.item<std::int64_t>(), 0);
  EXPECT_EQ(test::buffer(*updater.optimizer, "m").abs().max().item<float>(), 0.0F);
}

TEST(AdamW, ItsStateIsWhatTheRankHolds) {
  ParameterArena arena = small_arena(at::kFloat, {.part = 1, .parts = 2});
  const Updater updater(arena, {});
  for (const NamedBuffer& one : updater.optimizer->state()) {
    EXPECT_EQ(one.first, 128) << one.name;
    EXPECT_EQ(one.tensor.numel(), 208 - 128) << one.name;
    EXPECT_EQ(one.length(), 208) << one.name;
  }
}

}  // namespace
}  // namespace clip_hpc
