// Arithmetic of one element: what the CPU's vector loops and the device's kernels have in common. No branch and no call
// in here, so that a loop over these functions becomes vector code.
#pragma once

#include <c10/util/BFloat16.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "clip_hpc/base/host_device.hpp"
#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

#if defined(__CUDA_ARCH__)
// The device's own approximations, two units in the last place: the polynomial below would make kernels that wait for
// memory wait for arithmetic.
CLIP_HPC_HOST_DEVICE float exp_negative(float x) { return __expf(x); }
CLIP_HPC_HOST_DEVICE float quotient(float a, float b) { return __fdividef(a, b); }
#else
CLIP_HPC_HOST_DEVICE float exp_negative(float x) {  // x <= 0; relative error below 2e-7
  x = x < -87.0F ? -87.0F : x;
  const float n = std::floor(x * 1.44269504F + 0.5F);
  float r = x - n * 0.693359375F;  // ln 2 in two parts
  r = r + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  return p * __builtin_bit_cast(float, (static_cast<std::int32_t>(n) + 127) << 23);
}
CLIP_HPC_HOST_DEVICE float quotient(float a, float b) { return a / b; }
#endif

struct Normal {
  float density, cumulative;  // of the standard normal distribution at u
};

CLIP_HPC_HOST_DEVICE Normal normal_at(float u) {
  const float e = exp_negative(-0.5F * u * u);
  const float t = quotient(1.0F, 1.0F + 0.3275911F * 0.70710678F * (u < 0 ? -u : u));
  const float tail =
      0.5F * e * t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F))));
  return {0.39894228F * e, u < 0 ? tail : 1.0F - tail};
}

CLIP_HPC_HOST_DEVICE float sigmoid_of(float u) {
  const float e = exp_negative(u < 0 ? u : -u);
  return quotient(u < 0 ? e : 1.0F, 1.0F + e);
}

// (1 + tanh(c (u + k u^3))) / 2 is a sigmoid of twice the argument, 2 c = sqrt(8 / pi).
inline constexpr float kTanhSlope = 1.5957691216F, kTanhCubic = 0.044715F;

template <Gelu kKind>
CLIP_HPC_HOST_DEVICE float gelu_of(float u) {
  if constexpr (kKind == Gelu::quick) {
    return u * sigmoid_of(1.702F * u);
  } else if constexpr (kKind == Gelu::tanh) {
    return u * sigmoid_of(kTanhSlope * (u + kTanhCubic * u * u * u));
  } else {
    return u * normal_at(u).cumulative;
  }
}

template <Gelu kKind>
CLIP_HPC_HOST_DEVICE float gelu_slope(float u) {
  if constexpr (kKind == Gelu::quick) {
    const float s = sigmoid_of(1.702F * u);
    return s * (1.0F + 1.702F * u * (1.0F - s));
  } else if constexpr (kKind == Gelu::tanh) {
    const float s = sigmoid_of(kTanhSlope * (u + kTanhCubic * u * u * u));
    return s * (1.0F + kTanhSlope * u * (1.0F + 3.0F * kTanhCubic * u * u) * (1.0F - s));
  } else {
    const Normal normal = normal_at(u);
    return normal.cumulative + u * normal.density;
  }
}

// x rounded to the values of T, as c10 rounds it; without c10's branch, which two of in one loop leave it scalar.
template <class T>
CLIP_HPC_HOST_DEVICE float rounded_to(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    const auto bits = __builtin_bit_cast(std::uint32_t, x);
    const float nearest = __builtin_bit_cast(float, (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U);
    return x == x ? nearest : __builtin_bit_cast(float, 0x7fc00000U);
  }
}
// The same value as a T.
template <class T>
CLIP_HPC_HOST_DEVICE T exactly(float rounded) {
  if constexpr (std::is_same_v<T, float>) {
    return rounded;
  } else {
    return T(static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, rounded) >> 16), T::from_bits());
  }
}

// The residual sum, rounded once.
template <class T>
CLIP_HPC_HOST_DEVICE T residual_sum(T x, T delta, T bias) {
  return static_cast<T>(static_cast<float>(x) + (static_cast<float>(delta) + static_cast<float>(bias)));
}

// The gradient of LayerNorm by its input, where g = by_y * gamma, mean_g and mean_gz are the row's means of g and g *
// z. Its last operation is no product, or that of a later sum would be fused with it: the rounding must not depend on
// what comes after (blocks that are computed again give the same bits).
CLIP_HPC_HOST_DEVICE float norm_slope(float g, float z, float mean_g, float mean_gz, float rstd) {
  return (g - mean_g) * rstd - z * (mean_gz * rstd);
}

}  // namespace clip_hpc
