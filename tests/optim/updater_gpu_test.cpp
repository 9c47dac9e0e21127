#include <cmath>

#include "tests/gpu_test.hpp"
#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

ParameterArena example(at::ScalarType compute, at::Device device) {
  ParameterArena arena;
  arena.declare("w", {70, 59}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("logit_scale", {}, {.decay = false, .limits = Range{0.0, std::log(100.0)}});
  arena.allocate(compute, device);
  arena.master().copy_(at::linspace(-1, 1, arena.numel()));
  arena.refresh_weights();
  return arena;
}

TEST(OptimizersGpu, ManyStepsAreTheCpus) {
  CLIP_HPC_NEEDS_DEVICE();
  for (const OptimizerKind& kind : optimizers()) {
    for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(testing::Message() << kind.name << " " << compute);
      ParameterArena host = example(compute, at::kCPU), device = example(compute, at::kCUDA);
      OptimOptions options;
      options.name = kind.name;
      options.ema = 0.9;
      Updater of_host(host, options), of_device(device, options);
      for (int step = 0; step < 50; ++step) {
        const double lr = 0.002 * (step + 1) / 50;
        at::Tensor gradient = at::arange(host.numel(), at::kDouble).mul(0.1 + 0.01 * step).sin().mul(0.05);
        gradient[host.numel() - 1] = -0.05;  // pushes the scale up
        if (step % 20 == 19) gradient[step] = std::nan("");
        host.gradients().copy_(gradient);
        device.gradients().copy_(gradient);
        test::step(of_host, lr);
        test::step(of_device, lr);
      }
      // Adafactor's first moment may round to the other one of two bf16.
      const float bound = kind.name == std::string("adafactor") ? 5e-5F : 2e-6F;
      EXPECT_LT((host.master() - device.master().cpu()).abs().max().item<float>(), bound);
      EXPECT_LT((of_host.average.weights() - of_device.average.weights().cpu()).abs().max().item<float>(), bound);
      EXPECT_EQ(of_device.counters.skipped.item<std::int64_t>(), 2);
      EXPECT_EQ(of_device.counters.skipped_in_a_row.item<std::int64_t>(), 0);
      EXPECT_EQ(of_device.counters.applied.item<std::int64_t>(), 48);
      EXPECT_TRUE(at::equal(device.weights(), device.master().to(compute)));
    }
  }
}

// What a skipped step leaves alone, and that limits hold.
TEST(OptimizersGpu, LimitsHoldAndASkippedStepChangesNothing) {
  CLIP_HPC_NEEDS_DEVICE();
  for (const OptimizerKind& kind : optimizers()) {
    ParameterArena arena = example(at::kBFloat16, at::kCUDA);
    OptimOptions options;
    options.name = kind.name;
    options.lr = 1.0;
    options.ema = 0.9;
    Updater updater(arena, options);
    for (int i = 0; i < 20; ++i) {
      arena.gradients().fill_(-1.0);
      test::step(updater, 1.0);
    }
    EXPECT_FLOAT_EQ(arena.master()[arena.numel() - 1].item<float>(), static_cast<float>(std::log(100.0))) << kind.name;
    const at::Tensor master = arena.master().clone(), average = updater.average.weights().clone();
    arena.gradients()[5] = std::nan("");
    test::step(updater, 1.0);
    EXPECT_TRUE(at::equal(master, arena.master())) << kind.name;
    EXPECT_TRUE(at::equal(average, updater.average.weights())) << kind.name;
    EXPECT_EQ(updater.counters.skipped_in_a_row.item<std::int64_t>(), 1) << kind.name;
  }
}

}  // namespace
}  // namespace clip_hpc
