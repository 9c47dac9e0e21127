#include "ops/fused_ops_cpu.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "clip_hpc/base/vector_clones.hpp"
#include "ops/fused_ops_math.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kRowsAtOnce = 64;  // of a column sum: its terms have the same order on any number of threads

struct Row {  // what LayerNorm's backward needs of a row
  float mean, rstd;
};

template <Gelu kKind, class T>
CLIP_HPC_HOST_DEVICE void gelu_row(const T* x, const T* bias, T* y, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) {
    y[i] = static_cast<T>(gelu_of<kKind>(static_cast<float>(x[i]) + static_cast<float>(bias[i])));
  }
}

template <Gelu kKind, class T>
CLIP_HPC_HOST_DEVICE void gelu_backward_row(const T* grad, const T* x, const T* bias, T* by_x, float* sums,
                                            std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float u = static_cast<float>(x[i]) + static_cast<float>(bias[i]);
    const float g = static_cast<float>(grad[i]) * gelu_slope<kKind>(u);
    by_x[i] = static_cast<T>(g);
    sums[i] += g;
  }
}

template <class T>
CLIP_HPC_HOST_DEVICE void sum_row(const T* x, const T* delta, const T* bias, T* sum, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) sum[i] = residual_sum(x[i], delta[i], bias[i]);
}

template <class T>
CLIP_HPC_HOST_DEVICE void add_to_row(const T* x, float* sums, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<float>(x[i]);
}

template <class T>
CLIP_HPC_HOST_DEVICE Row norm_row(const T* x, const T* gamma, const T* beta, float eps, T* y, std::int64_t width) {
  const float share = 1.0F / static_cast<float>(width);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) sum += static_cast<float>(x[i]);
  const float mean = sum * share;
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < width; ++i) {
    const float d = static_cast<float>(x[i]) - mean;
    squares += d * d;
  }
  const float rstd = 1.0F / std::sqrt(squares * share + eps);
  for (std::int64_t i = 0; i < width; ++i) {
    const float z = (static_cast<float>(x[i]) - mean) * rstd;
    y[i] = static_cast<T>(z * static_cast<float>(gamma[i]) + static_cast<float>(beta[i]));
  }
  return {mean, rstd};
}

// kAdds: by_sum joins the gradient, and by_bias gathers it.
template <bool kAdds, class T>
CLIP_HPC_HOST_DEVICE void norm_backward_row(const T* by_y, const T* by_sum, const T* x, const T* gamma, Row row,
                                            T* by_x, float* by_gamma, float* by_beta, float* by_bias,
                                            std::int64_t width) {
  float sum_g = 0, sum_gz = 0;
#pragma omp simd reduction(+ : sum_g, sum_gz)
  for (std::int64_t i = 0; i < width; ++i) {
    const float z = (static_cast<float>(x[i]) - row.mean) * row.rstd, dy = static_cast<float>(by_y[i]);
    const float g = dy * static_cast<float>(gamma[i]);
    by_gamma[i] += dy * z;
    by_beta[i] += dy;
    sum_g += g;
    sum_gz += g * z;
  }
  const float mean_g = sum_g / static_cast<float>(width), mean_gz = sum_gz / static_cast<float>(width);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    const float z = (static_cast<float>(x[i]) - row.mean) * row.rstd;
    const float g = static_cast<float>(by_y[i]) * static_cast<float>(gamma[i]);
    const float slope = rounded_to<T>(norm_slope(g, z, mean_g, mean_gz, row.rstd));
    if constexpr (kAdds) {
      const float total = rounded_to<T>(slope + static_cast<float>(by_sum[i]));
      by_x[i] = exactly<T>(total);
      by_bias[i] += total;
    } else {
      by_x[i] = exactly<T>(slope);
    }
  }
}

// Clones cannot be templates: one function a type and a form.
#define CLIP_HPC_ROWS(T)                                                                                             \
  CLIP_HPC_VECTOR_CLONES void gelu(const T* x, const T* bias, T* y, std::int64_t width) {                            \
    gelu_row<Gelu::exact>(x, bias, y, width);                                                                        \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void quick_gelu(const T* x, const T* bias, T* y, std::int64_t width) {                      \
    gelu_row<Gelu::quick>(x, bias, y, width);                                                                        \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void tanh_gelu(const T* x, const T* bias, T* y, std::int64_t width) {                       \
    gelu_row<Gelu::tanh>(x, bias, y, width);                                                                         \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void gelu_backward(const T* grad, const T* x, const T* bias, T* by_x, float* sums,          \
                                            std::int64_t width) {                                                    \
    gelu_backward_row<Gelu::exact>(grad, x, bias, by_x, sums, width);                                                \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void quick_gelu_backward(const T* grad, const T* x, const T* bias, T* by_x, float* sums,    \
                                                  std::int64_t width) {                                              \
    gelu_backward_row<Gelu::quick>(grad, x, bias, by_x, sums, width);                                                \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void tanh_gelu_backward(const T* grad, const T* x, const T* bias, T* by_x, float* sums,     \
                                                 std::int64_t width) {                                               \
    gelu_backward_row<Gelu::tanh>(grad, x, bias, by_x, sums, width);                                                 \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void sum(const T* x, const T* delta, const T* bias, T* out, std::int64_t width) {           \
    sum_row(x, delta, bias, out, width);                                                                             \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void add_to(const T* x, float* sums, std::int64_t width) { add_to_row(x, sums, width); }    \
  CLIP_HPC_VECTOR_CLONES Row norm(const T* x, const T* gamma, const T* beta, float eps, T* y, std::int64_t width) {  \
    return norm_row(x, gamma, beta, eps, y, width);                                                                  \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void norm_backward(const T* by_y, const T* x, const T* gamma, Row row, T* by_x,             \
                                            float* by_gamma, float* by_beta, std::int64_t width) {                   \
    norm_backward_row<false>(by_y, by_y, x, gamma, row, by_x, by_gamma, by_beta, by_gamma, width);                   \
  }                                                                                                                  \
  CLIP_HPC_VECTOR_CLONES void add_norm_backward(const T* by_y, const T* by_sum, const T* x, const T* gamma, Row row, \
                                                T* by_x, float* by_gamma, float* by_beta, float* by_bias,            \
                                                std::int64_t width) {                                                \
    norm_backward_row<true>(by_y, by_sum, x, gamma, row, by_x, by_gamma, by_beta, by_bias, width);                   \
  }
CLIP_HPC_ROWS(float)
CLIP_HPC_ROWS(c10::BFloat16)
#undef CLIP_HPC_ROWS

// run(T{}) with the element type of `x`: fp32 or bf16.
template <class Run>
auto with_type_of(const at::Tensor& x, const Run& run) {
  return x.scalar_type() == at::kFloat ? run(float{}) : run(c10::BFloat16{});
}

// run(offset of the row's first element, row) for every row.
template <class Run>
void for_rows(const at::Tensor& x, std::int64_t width, const Run& run) {
  at::parallel_for(0, x.numel() / width, std::max<std::int64_t>(1, 16384 / width),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) run(row * width, row);
                   });
}

// The same, where each row adds to `columns` sums of its block: run(offset, row, sums). Returns the sums of all blocks.
template <class Run>
at::Tensor for_rows_with_sums(const at::Tensor& x, std::int64_t width, std::int64_t columns, const Run& run) {
  const std::int64_t rows = x.numel() / width, blocks = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const at::Tensor partial = at::zeros({blocks, columns}, at::kFloat);
  float* sums = partial.data_ptr<float>();
  at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      for (std::int64_t row = block * kRowsAtOnce; row < std::min(rows, (block + 1) * kRowsAtOnce); ++row) {
        run(row * width, row, sums + block * columns);
      }
    }
  });
  return partial.sum(0).to(x.scalar_type());
}

NormOutputs norm_outputs(const at::Tensor& x) {
  const at::Tensor mean = at::empty({x.numel() / x.size(-1)}, at::kFloat);
  return {at::empty_like(x), mean, at::empty_like(mean)};
}

}  // namespace

at::Tensor bias_gelu_cpu(const at::Tensor& x, const at::Tensor& bias, Gelu kind) {
  const at::Tensor y = at::empty_like(x);
  with_type_of(x, [&]<class T>(T) {
    const std::int64_t width = bias.numel();
    const T *in = x.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
    T* out = y.data_ptr<T>();
    using Of = void (*)(const T*, const T*, T*, std::int64_t);
    const Of of = kind == Gelu::exact ? Of{gelu} : kind == Gelu::quick ? Of{quick_gelu} : Of{tanh_gelu};
    for_rows(x, width, [=](std::int64_t at, std::int64_t) { of(in + at, b, out + at, width); });
  });
  return y;
}

std::pair<at::Tensor, at::Tensor> bias_gelu_backward_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                         const at::Tensor& bias, Gelu kind) {
  const at::Tensor by_x = at::empty_like(x);
  const at::Tensor by_bias = with_type_of(x, [&]<class T>(T) {
    const std::int64_t width = bias.numel();
    const T *g = grad.const_data_ptr<T>(), *in = x.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
    T* out = by_x.data_ptr<T>();
    using Of = void (*)(const T*, const T*, const T*, T*, float*, std::int64_t);
    const Of of = kind == Gelu::exact   ? Of{gelu_backward}
                  : kind == Gelu::quick ? Of{quick_gelu_backward}
                                        : Of{tanh_gelu_backward};
    return for_rows_with_sums(x, width, width, [=](std::int64_t at, std::int64_t, float* sums) {
      of(g + at, in + at, b, out + at, sums, width);
    });
  });
  return {by_x, by_bias};
}

at::Tensor add_bias_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias) {
  const at::Tensor y = at::empty_like(x);
  with_type_of(x, [&]<class T>(T) {
    const std::int64_t width = bias.numel();
    const T *in = x.const_data_ptr<T>(), *d = delta.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
    T* out = y.data_ptr<T>();
    for_rows(x, width, [=](std::int64_t at, std::int64_t) { sum(in + at, d + at, b, out + at, width); });
  });
  return y;
}

at::Tensor column_sums_cpu(const at::Tensor& grad) {
  return with_type_of(grad, [&]<class T>(T) {
    const std::int64_t width = grad.size(-1);
    const T* g = grad.const_data_ptr<T>();
    return for_rows_with_sums(grad, width, width,
                              [=](std::int64_t at, std::int64_t, float* sums) { add_to(g + at, sums, width); });
  });
}

NormOutputs layer_norm_cpu(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  const NormOutputs outputs = norm_outputs(x);
  with_type_of(x, [&]<class T>(T) {
    const std::int64_t width = gamma.numel();
    const T *in = x.const_data_ptr<T>(), *g = gamma.const_data_ptr<T>(), *b = beta.const_data_ptr<T>();
    T* out = outputs.normed.data_ptr<T>();
    float *mean = outputs.mean.data_ptr<float>(), *rstd = outputs.rstd.data_ptr<float>();
    for_rows(x, width, [=](std::int64_t at, std::int64_t i) {
      const Row row = norm(in + at, g, b, static_cast<float>(eps), out + at, width);
      mean[i] = row.mean;
      rstd[i] = row.rstd;
    });
  });
  return outputs;
}

AddNormOutputs add_layer_norm_cpu(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                                  const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  const AddNormOutputs outputs{at::empty_like(x), norm_outputs(x)};
  with_type_of(x, [&]<class T>(T) {
    const std::int64_t width = gamma.numel();
    const T *in = x.const_data_ptr<T>(), *d = delta.const_data_ptr<T>(), *d_bias = bias.const_data_ptr<T>();
    const T *g = gamma.const_data_ptr<T>(), *b = beta.const_data_ptr<T>();
    T *total = outputs.sum.data_ptr<T>(), *out = outputs.norm.normed.data_ptr<T>();
    float *mean = outputs.norm.mean.data_ptr<float>(), *rstd = outputs.norm.rstd.data_ptr<float>();
    for_rows(x, width, [=](std::int64_t at, std::int64_t i) {
      sum(in + at, d + at, d_bias, total + at, width);
      const Row row = norm(total + at, g, b, static_cast<float>(eps), out + at, width);
      mean[i] = row.mean;
      rstd[i] = row.rstd;
    });
  });
  return outputs;
}

NormGradients layer_norm_backward_cpu(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                      const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd) {
  const at::Tensor by_x = at::empty_like(x);
  const bool adds = by_sum.defined();
  const std::int64_t width = gamma.numel();
  const at::Tensor sums = with_type_of(x, [&]<class T>(T) {
    const T *dy = by_normed.const_data_ptr<T>(), *ds = adds ? by_sum.const_data_ptr<T>() : nullptr;
    const T *in = x.const_data_ptr<T>(), *g = gamma.const_data_ptr<T>();
    const float *means = mean.const_data_ptr<float>(), *rstds = rstd.const_data_ptr<float>();
    T* out = by_x.data_ptr<T>();
    return for_rows_with_sums(x, width, (adds ? 3 : 2) * width, [=](std::int64_t at, std::int64_t i, float* s) {
      const Row row{means[i], rstds[i]};
      if (adds) {
        add_norm_backward(dy + at, ds + at, in + at, g, row, out + at, s, s + width, s + 2 * width, width);
      } else {
        norm_backward(dy + at, in + at, g, row, out + at, s, s + width, width);
      }
    });
  });
  return {by_x, sums.slice(0, 0, width), sums.slice(0, width, 2 * width),
          adds ? sums.slice(0, 2 * width) : at::Tensor()};
}

}  // namespace clip_hpc
