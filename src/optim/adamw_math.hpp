// Arithmetic of AdamW: the step's scalars and the update of one element, for the CPU's vector loops and for the device.
#pragma once

#include <cmath>
#include <cstdint>

#include "clip_hpc/base/host_device.hpp"

namespace clip_hpc {

inline constexpr float kLargestLogitScale = 4.60517019F;  // ln 100

struct AdamWRates {  // OptimOptions without its words
  double beta1, beta2, eps, weight_decay, clip_norm, ema;
};

struct AdamWUpdate {
  float clip, lr_over_correction1, inverse_root_correction2, shrink, beta1, beta2, eps;
  float ema_step;  // how far the average moves towards the new value
  bool apply;      // false: the gradient is not finite, and nothing changes
};

CLIP_HPC_HOST_DEVICE bool is_finite(double x) { return x - x == 0.0; }

// `applied`: updates done, this one included.
CLIP_HPC_HOST_DEVICE AdamWUpdate adamw_update(double norm, double lr, std::int64_t applied, const AdamWRates& rates) {
  const auto t = static_cast<double>(applied);
  // Short runs, too, forget where they began.
  const double ema = rates.ema < (1.0 + t) / (10.0 + t) ? rates.ema : (1.0 + t) / (10.0 + t);
  const double clip = rates.clip_norm > 0 && norm > rates.clip_norm ? rates.clip_norm / (norm + 1e-6) : 1.0;
  return {static_cast<float>(clip),
          static_cast<float>(lr / (1.0 - pow(rates.beta1, t))),
          static_cast<float>(1.0 / sqrt(1.0 - pow(rates.beta2, t))),
          static_cast<float>(1.0 - lr * rates.weight_decay),
          static_cast<float>(rates.beta1),
          static_cast<float>(rates.beta2),
          static_cast<float>(rates.eps),
          static_cast<float>(1.0 - ema),
          true};
}

// One element; returns its new value. `shrink` is 1 where there is no weight decay.
CLIP_HPC_HOST_DEVICE float adamw_element(float x, float gradient, float& m, float& v, float shrink,
                                         const AdamWUpdate& u) {
  const float g = gradient * u.clip;
  m = u.beta1 * m + (1.0F - u.beta1) * g;
  v = u.beta2 * v + (1.0F - u.beta2) * g * g;
  return x * shrink - u.lr_over_correction1 * m / (sqrtf(v) * u.inverse_root_correction2 + u.eps);
}

CLIP_HPC_HOST_DEVICE float ema_element(float average, float x, const AdamWUpdate& u) {
  return average + u.ema_step * (x - average);
}

}  // namespace clip_hpc
