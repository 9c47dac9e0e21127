#include <gtest/gtest.h>

#include <cmath>

#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::gradient_of_step;
using test::small_arena;

// The definition in double precision. An arena that computes in fp64 takes the step by tensors, as a device does.
TEST(Sgd, TwoHundredStepsAreItsDefinition) {
  for (const at::ScalarType compute : {at::kFloat, at::kDouble}) {
    for (const bool nesterov : {false, true}) {
      ParameterArena arena = small_arena(compute);
      OptimOptions options;
      options.name = "sgd";
      options.nesterov = nesterov;
      options.weight_decay = 0.5;
      options.clip_norm = 2.0;
      Updater updater(arena, options);
      const std::int64_t n = arena.numel();
      at::Tensor x = arena.master().to(at::kDouble).clone(), velocity = at::zeros({n}, at::kDouble);
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
        velocity = options.beta1 * velocity + g;
        const at::Tensor step = nesterov ? g + options.beta1 * velocity : velocity;
        x = x - lr * (step + options.weight_decay * decay * x);
        x[n - 1].clamp_(0.0, std::log(100.0));
        ASSERT_LT((arena.master().to(at::kDouble) - x).abs().max().item<double>(), 2e-5) << compute << " " << t;
      }
      EXPECT_LT((test::buffer(*updater.optimizer, "velocity").to(at::kDouble) - velocity).abs().max().item<double>(),
                1e-5);
      EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(compute)));
      EXPECT_EQ(updater.counters.skipped.item<std::int64_t>(), 4);
    }
  }
}

}  // namespace
}  // namespace clip_hpc
