#include "fused_ops_cpu.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kRowsAtOnce = 64;  // of a bias gradient: its sums have the same order on any number of threads

// Plain arithmetic without a branch or a call, so that the compiler makes vector code of the loops below.
__attribute__((always_inline)) inline float exp_negative(float x) {  // x <= 0; relative error below 2e-7
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
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

struct Normal {
  float density, cumulative;  // of the standard normal distribution at u
};

__attribute__((always_inline)) inline Normal normal_at(float u) {
  const float e = exp_negative(-0.5F * u * u);
  const float t = 1.0F / (1.0F + 0.3275911F * 0.70710678F * (u < 0 ? -u : u));
  const float tail =
      0.5F * e * t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F))));
  return {0.39894228F * e, u < 0 ? tail : 1.0F - tail};
}

__attribute__((always_inline)) inline float sigmoid_of(float u) {
  const float e = exp_negative(u < 0 ? u : -u);
  return (u < 0 ? e : 1.0F) / (1.0F + e);
}

template <bool kQuick, class T>
__attribute__((always_inline)) inline void forward_row(const T* x, const T* bias, T* y, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float u = static_cast<float>(x[i]) + static_cast<float>(bias[i]);
    y[i] = static_cast<T>(kQuick ? u * sigmoid_of(1.702F * u) : u * normal_at(u).cumulative);
  }
}

template <bool kQuick, class T>
__attribute__((always_inline)) inline void backward_row(const T* grad, const T* x, const T* bias, T* by_x, float* sums,
                                                        std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float u = static_cast<float>(x[i]) + static_cast<float>(bias[i]);
    float slope = 0;
    if constexpr (kQuick) {
      const float s = sigmoid_of(1.702F * u);
      slope = s * (1.0F + 1.702F * u * (1.0F - s));
    } else {
      const Normal normal = normal_at(u);
      slope = normal.cumulative + u * normal.density;
    }
    const float g = static_cast<float>(grad[i]) * slope;
    by_x[i] = static_cast<T>(g);
    sums[i] += g;
  }
}

// Clones cannot be templates: one function a type and a form.
#define CLIP_HPC_BIAS_GELU(T, QUICK)                                                                                   \
  CLIP_HPC_VECTOR_CLONES                                                                                               \
  void forward_##QUICK(const T* x, const T* bias, T* y, std::int64_t width) { forward_row<QUICK>(x, bias, y, width); } \
  CLIP_HPC_VECTOR_CLONES                                                                                               \
  void backward_##QUICK(const T* grad, const T* x, const T* bias, T* by_x, float* sums, std::int64_t width) {          \
    backward_row<QUICK>(grad, x, bias, by_x, sums, width);                                                             \
  }
CLIP_HPC_BIAS_GELU(float, true)
CLIP_HPC_BIAS_GELU(float, false)
CLIP_HPC_BIAS_GELU(c10::BFloat16, true)
CLIP_HPC_BIAS_GELU(c10::BFloat16, false)
#undef CLIP_HPC_BIAS_GELU

template <class T>
void forward_all(const at::Tensor& x, const at::Tensor& bias, const at::Tensor& y, bool quick) {
  const std::int64_t width = bias.numel();
  const T *in = x.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
  T* out = y.data_ptr<T>();
  at::parallel_for(0, x.numel() / width, std::max<std::int64_t>(1, 16384 / width),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       if (quick) {
                         forward_true(in + row * width, b, out + row * width, width);
                       } else {
                         forward_false(in + row * width, b, out + row * width, width);
                       }
                     }
                   });
}

template <class T>
at::Tensor backward_all(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& bias, const at::Tensor& by_x,
                        bool quick) {
  const std::int64_t width = bias.numel(), rows = x.numel() / width;
  const std::int64_t blocks = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const at::Tensor partial = at::zeros({blocks, width}, at::kFloat);
  const T *g = grad.const_data_ptr<T>(), *in = x.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
  T* out = by_x.data_ptr<T>();
  float* sums = partial.data_ptr<float>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      for (std::int64_t row = block * kRowsAtOnce; row < std::min(rows, (block + 1) * kRowsAtOnce); ++row) {
        const std::int64_t at = row * width;
        if (quick) {
          backward_true(g + at, in + at, b, out + at, sums + block * width, width);
        } else {
          backward_false(g + at, in + at, b, out + at, sums + block * width, width);
        }
      }
    }
  });
  return partial.sum(0).to(bias.scalar_type());
}

}  // namespace

at::Tensor bias_gelu_cpu(const at::Tensor& x, const at::Tensor& bias, bool quick) {
  const at::Tensor y = at::empty(x.sizes(), x.options());
  if (x.scalar_type() == at::kFloat) {
    forward_all<float>(x, bias, y, quick);
  } else {
    forward_all<c10::BFloat16>(x, bias, y, quick);
  }
  return y;
}

std::pair<at::Tensor, at::Tensor> bias_gelu_backward_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& bias, bool quick) {
  const at::Tensor by_x = at::empty(x.sizes(), x.options());
  return {by_x, x.scalar_type() == at::kFloat ? backward_all<float>(grad, x, bias, by_x, quick)
                                              : backward_all<c10::BFloat16>(grad, x, bias, by_x, quick)};
}

}  // namespace clip_hpc
