#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::gradient_of_step;
using test::small_arena;

// The definition in double precision: the decayed matrix moves by its own length, what is not decayed as in AdamW.
TEST(Lamb, TwoHundredStepsAreItsDefinition) {
  for (const at::ScalarType compute : {at::kFloat, at::kDouble, at::kBFloat16}) {
    ParameterArena arena = small_arena(compute);
    OptimOptions options;
    options.name = "lamb";
    options.weight_decay = 0.5;
    options.clip_norm = 2.0;
    Updater updater(arena, options);
    const std::int64_t n = arena.numel();
    at::Tensor x = arena.master().to(at::kDouble).clone(), m = at::zeros({n}, at::kDouble), v = at::zeros_like(m);
    std::int64_t applied = 0;
    for (std::int64_t t = 1; t <= 200; ++t) {
      const bool skipped = t % 50 == 7;
      arena.gradients().copy_(gradient_of_step(t, n));
      arena.gradients()[n - 1] = -3.0;  // against the limit
      at::Tensor g = arena.gradients().to(at::kDouble).clone();
      if (skipped) arena.gradients()[t] = std::nan("");
      const double lr = 1e-2 * static_cast<double>(t) / 200;
      test::step(updater, lr);
      if (skipped) continue;
      ++applied;
      g = g * std::min(1.0, 2.0 / (g.norm().item<double>() + 1e-6));
      m = options.beta1 * m + (1 - options.beta1) * g;
      v = options.beta2 * v + (1 - options.beta2) * g * g;
      const auto times = static_cast<double>(applied);
      const double c1 = 1 - std::pow(options.beta1, times), c2 = 1 - std::pow(options.beta2, times);
      const at::Tensor step = (m / c1) / ((v / c2).sqrt() + options.eps);
      at::Tensor matrix = x.narrow(0, 0, test::kDecayed), of_matrix = step.narrow(0, 0, test::kDecayed);
      of_matrix.add_(matrix, options.weight_decay);
      of_matrix.mul_(matrix.norm() / of_matrix.norm());
      x = x - lr * step;
      x[n - 1].clamp_(0.0, std::log(100.0));
      ASSERT_LT((arena.master().to(at::kDouble) - x).abs().max().item<double>(), 2e-5) << compute << " " << t;
    }
    EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(compute)));
    EXPECT_EQ(updater.counters.skipped.item<std::int64_t>(), 4);
  }
}

// A tensor of zeros, as a residual branch may begin, has no length to go by.
TEST(Lamb, ATensorOfZerosMovesByTheStepItself) {
  ParameterArena arena = small_arena(at::kFloat);
  arena.master().zero_();
  Updater updater(arena, {.name = "lamb", .clip_norm = 0});
  arena.gradients().fill_(1);
  test::step(updater, 0.25);
  EXPECT_NEAR(arena.master()[0].item<double>(), -0.25, 1e-5);
}

}  // namespace
}  // namespace clip_hpc
