// Arithmetic of AdamW: the step's scalars and the update of one element, for the CPU's vector loops and for the device.
#pragma once

#include <cmath>
#include <cstdint>

#include "clip_hpc/base/host_device.hpp"
#include "optim/update_math.hpp"

namespace clip_hpc {

struct AdamWRates {
  double beta1, beta2, eps, weight_decay, clip_norm;
};

struct AdamWUpdate {
  float clip, lr_over_correction1, inverse_root_correction2, shrink, beta1, beta2, eps;
  bool apply;  // false: the gradient is not finite, and nothing changes
};

// `applied`: updates done, this one included.
CLIP_HPC_HOST_DEVICE AdamWUpdate adamw_update(double norm, double lr, std::int64_t applied, const AdamWRates& rates) {
  const auto t = static_cast<double>(applied);
  return {static_cast<float>(clip_factor(norm, rates.clip_norm)),
          static_cast<float>(lr / (1.0 - pow(rates.beta1, t))),
          static_cast<float>(1.0 / sqrt(1.0 - pow(rates.beta2, t))),
          static_cast<float>(1.0 - lr * rates.weight_decay),
          static_cast<float>(rates.beta1),
          static_cast<float>(rates.beta2),
          static_cast<float>(rates.eps),
          true};
}

// Of a range that learns slower or faster.
CLIP_HPC_HOST_DEVICE AdamWUpdate scaled(AdamWUpdate u, float lr_scale) {
  if (lr_scale == 1.0F) return u;
  u.lr_over_correction1 *= lr_scale;
  u.shrink = 1.0F - (1.0F - u.shrink) * lr_scale;
  return u;
}

// One element; returns its new value. `shrink` is 1 where there is no weight decay.
CLIP_HPC_HOST_DEVICE float adamw_element(float x, float gradient, float& m, float& v, float shrink,
                                         const AdamWUpdate& u) {
  const float g = gradient * u.clip;
  m = u.beta1 * m + (1.0F - u.beta1) * g;
  v = u.beta2 * v + (1.0F - u.beta2) * g * g;
  return x * shrink - u.lr_over_correction1 * m / (sqrtf(v) * u.inverse_root_correction2 + u.eps);
}

}  // namespace clip_hpc
