#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::gradient_of_step;
using test::small_arena;

OptimOptions lion_options() {
  OptimOptions options;
  options.name = "lion";
  options.beta2 = 0.99;
  options.weight_decay = 0.5;
  options.clip_norm = 2.0;
  return options;
}

// The definition in double precision. An arena that computes in fp64 takes the step by tensors, as a device does.
TEST(Lion, TwoHundredStepsAreItsDefinition) {
  for (const at::ScalarType compute : {at::kFloat, at::kDouble}) {
    ParameterArena arena = small_arena(compute);
    const OptimOptions options = lion_options();
    Updater updater(arena, options);
    const std::int64_t n = arena.numel();
    at::Tensor x = arena.master().to(at::kDouble).clone(), m = at::zeros({n}, at::kDouble);
    const at::Tensor decay = (at::arange(n) < test::kDecayed).to(at::kDouble);
    for (std::int64_t t = 1; t <= 200; ++t) {
      const bool skipped = t % 50 == 7;
      at::Tensor g = gradient_of_step(t, n);
      g[n - 1] = -3.0;  // against the limit
      arena.gradients().copy_(g);
      if (skipped) arena.gradients()[t] = std::nan("");
      const double lr = 5e-2 * static_cast<double>(t) / 200;
      test::step(updater, lr);
      if (skipped) continue;
      g = g * std::min(1.0, 2.0 / (g.norm().item<double>() + 1e-6));
      const at::Tensor sign = (options.beta1 * m + (1 - options.beta1) * g).sign();
      x = x - lr * (sign + options.weight_decay * decay * x);
      m = options.beta2 * m + (1 - options.beta2) * g;
      x[n - 1].clamp_(0.0, std::log(100.0));
      ASSERT_LT((arena.master().to(at::kDouble) - x).abs().max().item<double>(), 2e-5) << compute << " " << t;
    }
    EXPECT_LT((test::buffer(*updater.optimizer, "m").to(at::kDouble) - m).abs().max().item<double>(), 1e-6);
    EXPECT_EQ(arena.master()[n - 1].item<float>(), static_cast<float>(std::log(100.0)));
    EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(compute)));
    EXPECT_EQ(updater.counters.skipped.item<std::int64_t>(), 4);
  }
}

TEST(Lion, LowPrecisionFollowsTheMaster) {
  ParameterArena arena = small_arena(at::kBFloat16);
  Updater updater(arena, lion_options());
  for (std::int64_t t = 1; t <= 20; ++t) {
    arena.gradients().copy_(gradient_of_step(t, arena.numel()));
    test::step(updater, 1e-2);
  }
  EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(at::kBFloat16)));
}

TEST(Lion, ItKeepsOneMoment) {
  ParameterArena arena = small_arena(at::kFloat);
  OptimOptions of_adamw;
  EXPECT_EQ(2 * Updater(arena, lion_options()).state_bytes(), Updater(arena, of_adamw).state_bytes());
}

}  // namespace
}  // namespace clip_hpc
