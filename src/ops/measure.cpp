#include "clip_hpc/ops/measure.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {

double measured_gemm_tflops(at::ScalarType type, const at::Device& device) {
  const at::NoGradGuard no_grad;
  const std::int64_t side = device.is_cpu() ? 768 : 8192;
  const double seconds = device.is_cpu() ? 0.15 : 0.5;  // the best of many: the first ones meet cold caches
  const auto options = at::TensorOptions().dtype(type).device(device);
  // Random numbers: a GPU multiplies constants faster, since fewer wires change.
  const at::Tensor a = device.is_cpu() ? at::ones({side, side}, options) : at::randn({side, side}, options);
  at::Tensor out = at::mm(a, a);
  double best_s = 1e9;
  const Timer all;
  while (all.seconds() < seconds) {
    synchronize_device(device);
    const Timer timer;
    at::mm_out(out, a, a);
    synchronize_device(device);
    best_s = std::min(best_s, timer.seconds());
    if (!device.is_cpu()) continue;
    const Timer other;  // the way of the model's layers, another library on a CPU in fp32
    linear_layer(a, a);
    best_s = std::min(best_s, other.seconds());
  }
  const auto n = static_cast<double>(side);
  return 2.0 * n * n * n / best_s / 1e12;
}

}  // namespace clip_hpc
