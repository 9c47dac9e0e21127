#include "clip_hpc/optim/adamw.hpp"

#include <cmath>

#include "tests/gpu_test.hpp"

namespace clip_hpc {
namespace {

ParameterArena example(at::ScalarType compute, at::Device device) {
  ParameterArena arena;
  arena.declare("w", {70, 59}, {});
  arena.declare("b", {7}, {.decay = false});
  arena.declare("logit_scale", {}, {.decay = false});
  arena.allocate(compute, device);
  arena.master().copy_(at::linspace(-1, 1, arena.numel()));
  arena.refresh_weights();
  return arena;
}

TEST(AdamWGpu, ManyStepsAreTheCpus) {
  CLIP_HPC_NEEDS_DEVICE();
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    ParameterArena host = example(compute, at::kCPU), device = example(compute, at::kCUDA);
    AdamWState of_host = make_adamw_state(host, true), of_device = make_adamw_state(device, true);
    OptimOptions options;
    options.ema = 0.9;
    for (int step = 0; step < 50; ++step) {
      const double lr = 0.002 * (step + 1) / 50;
      at::Tensor gradient = at::arange(host.numel(), at::kDouble).mul(0.1 + 0.01 * step).sin().mul(0.05);
      if (step % 20 == 19) gradient[step] = std::nan("");
      host.gradients().copy_(gradient);
      device.gradients().copy_(gradient);
      adamw_step(host, of_host, gradient_norm(host, *make_self_communicator()), options, lr, 2);
      adamw_step(device, of_device, gradient_norm(device, *make_self_communicator()), options,
                 at::full({}, lr, at::TensorOptions().dtype(at::kDouble).device(at::kCUDA)), 2);
    }
    EXPECT_LT((host.master() - device.master().cpu()).abs().max().item<float>(), 2e-6F);
    EXPECT_LT((of_host.ema - of_device.ema.cpu()).abs().max().item<float>(), 2e-6F);
    EXPECT_EQ(of_device.skipped.item<std::int64_t>(), 2);
    EXPECT_EQ(of_device.applied.item<std::int64_t>(), 48);
    EXPECT_TRUE(at::equal(device.weights(), device.master().to(compute)));
  }
}

}  // namespace
}  // namespace clip_hpc
