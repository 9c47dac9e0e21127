#include "ops/channel_sums_cpu.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "clip_hpc/base/host_device.hpp"
#include "clip_hpc/base/vector_clones.hpp"
#include "ops/fused_ops_math.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kBlock = 32;   // channels whose sums stay in registers
constexpr std::int64_t kPlaces = 32;  // summed in fp32

struct Line {  // of a row: what its places share, [channels] each
  const float *scale, *shift;
};

// The gradient where relu let x through.
template <bool kRelu>
CLIP_HPC_HOST_DEVICE float let_through(float grad, float x, float scale, float shift) {
  if constexpr (!kRelu) return grad;
  return x * scale + shift > 0 ? grad : 0.0F;
}

template <std::int64_t kWidth, class T>
CLIP_HPC_HOST_DEVICE void sum_block(const T* x, std::int64_t places, std::int64_t channels, double* sum,
                                    double* squares) {
  float s[kWidth] = {}, q[kWidth] = {};
  for (std::int64_t p = 0; p < places; ++p) {
    for (std::int64_t c = 0; c < kWidth; ++c) {
      const auto value = static_cast<float>(x[p * channels + c]);
      s[c] += value;
      q[c] += value * value;
    }
  }
  for (std::int64_t c = 0; c < kWidth; ++c) {
    sum[c] += static_cast<double>(s[c]);
    squares[c] += static_cast<double>(q[c]);
  }
}

template <bool kRelu, std::int64_t kWidth, class T>
CLIP_HPC_HOST_DEVICE void product_block(const T* grad, const T* x, Line line, std::int64_t places,
                                        std::int64_t channels, double* sum, double* products) {
  float s[kWidth] = {}, q[kWidth] = {};
  for (std::int64_t p = 0; p < places; ++p) {
    for (std::int64_t c = 0; c < kWidth; ++c) {
      const auto value = static_cast<float>(x[p * channels + c]);
      const float g =
          let_through<kRelu>(static_cast<float>(grad[p * channels + c]), value, line.scale[c], line.shift[c]);
      s[c] += g;
      q[c] += g * value;
    }
  }
  for (std::int64_t c = 0; c < kWidth; ++c) {
    sum[c] += static_cast<double>(s[c]);
    products[c] += static_cast<double>(q[c]);
  }
}

template <class T>
CLIP_HPC_HOST_DEVICE void sum_places(const T* x, std::int64_t places, std::int64_t channels, double* sum,
                                     double* squares) {
  std::int64_t c = 0;
  for (; c + kBlock <= channels; c += kBlock) sum_block<kBlock>(x + c, places, channels, sum + c, squares + c);
  for (; c < channels; ++c) sum_block<1>(x + c, places, channels, sum + c, squares + c);
}

template <bool kRelu, class T>
CLIP_HPC_HOST_DEVICE void multiply_places(const T* grad, const T* x, Line line, std::int64_t places,
                                          std::int64_t channels, double* sum, double* products) {
  std::int64_t c = 0;
  const auto from = [&line](std::int64_t at) { return Line{line.scale + at, line.shift + at}; };
  for (; c + kBlock <= channels; c += kBlock) {
    product_block<kRelu, kBlock>(grad + c, x + c, from(c), places, channels, sum + c, products + c);
  }
  for (; c < channels; ++c) {
    product_block<kRelu, 1>(grad + c, x + c, from(c), places, channels, sum + c, products + c);
  }
}

template <bool kRelu, class T>
CLIP_HPC_HOST_DEVICE void scale_place(const T* x, Line line, T* y, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const float value = static_cast<float>(x[c]) * line.scale[c] + line.shift[c];
    y[c] = exactly<T>(rounded_to<T>(kRelu && value < 0 ? 0.0F : value));
  }
}

template <bool kRelu, class T>
CLIP_HPC_HOST_DEVICE void slope_place(const T* grad, const T* x, Line line, const float* by_grad, const float* by_x,
                                      const float* rest, T* out, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto value = static_cast<float>(x[c]);
    const float g = let_through<kRelu>(static_cast<float>(grad[c]), value, line.scale[c], line.shift[c]);
    out[c] = exactly<T>(rounded_to<T>(g * by_grad[c] + value * by_x[c] + rest[c]));
  }
}

// Clones cannot be templates: one function a type.
#define CLIP_HPC_PLACES(T)                                                                                   \
  CLIP_HPC_VECTOR_CLONES void sums(const T* x, std::int64_t places, std::int64_t channels, double* sum,      \
                                   double* squares) {                                                        \
    sum_places(x, places, channels, sum, squares);                                                           \
  }                                                                                                          \
  CLIP_HPC_VECTOR_CLONES void products(const T* grad, const T* x, Line line, bool relu, std::int64_t places, \
                                       std::int64_t channels, double* sum, double* product) {                \
    if (relu) return multiply_places<true>(grad, x, line, places, channels, sum, product);                   \
    multiply_places<false>(grad, x, line, places, channels, sum, product);                                   \
  }                                                                                                          \
  CLIP_HPC_VECTOR_CLONES void scaled(const T* x, Line line, bool relu, T* y, std::int64_t channels) {        \
    if (relu) return scale_place<true>(x, line, y, channels);                                                \
    scale_place<false>(x, line, y, channels);                                                                \
  }                                                                                                          \
  CLIP_HPC_VECTOR_CLONES void slopes(const T* grad, const T* x, Line line, bool relu, const float* by_grad,  \
                                     const float* by_x, const float* rest, T* out, std::int64_t channels) {  \
    if (relu) return slope_place<true>(grad, x, line, by_grad, by_x, rest, out, channels);                   \
    slope_place<false>(grad, x, line, by_grad, by_x, rest, out, channels);                                   \
  }
CLIP_HPC_PLACES(float)
CLIP_HPC_PLACES(c10::BFloat16)
#undef CLIP_HPC_PLACES

template <class Run>
void with_type_of(const at::Tensor& x, const Run& run) {
  x.scalar_type() == at::kFloat ? run(float{}) : run(c10::BFloat16{});
}

struct Extent {
  explicit Extent(const at::Tensor& x)
      : rows(x.size(0)), channels(x.size(-1)), places(rows > 0 ? x.numel() / (rows * channels) : 0) {}
  std::int64_t rows, channels, places;
  std::int64_t picture() const { return places * channels; }
};

// run(row, first place, places) for pieces of kPlaces places.
template <class Run>
void each_piece(const Extent& of, const Run& run) {
  at::parallel_for(0, of.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t place = 0; place < of.places; place += kPlaces) {
        run(row, place, std::min(kPlaces, of.places - place));
      }
    }
  });
}

}  // namespace

at::Tensor channel_sums_cpu(const at::Tensor& x) {
  const Extent of(x);
  const at::Tensor out = at::zeros({2, of.rows, of.channels}, at::kDouble);
  auto* const sum = out.data_ptr<double>();
  with_type_of(x, [&]<class T>(T) {
    const T* const in = x.const_data_ptr<T>();
    each_piece(of, [&](std::int64_t row, std::int64_t place, std::int64_t places) {
      double* const own = sum + row * of.channels;
      sums(in + row * of.picture() + place * of.channels, places, of.channels, own, own + of.rows * of.channels);
    });
  });
  return out;
}

at::Tensor channel_scaled_cpu(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, bool relu) {
  const Extent of(x);
  const at::Tensor y = at::empty_like(x);
  const auto *const factor = scale.const_data_ptr<float>(), *const add = shift.const_data_ptr<float>();
  with_type_of(x, [&]<class T>(T) {
    const T* const in = x.const_data_ptr<T>();
    T* const out = y.data_ptr<T>();
    each_piece(of, [&](std::int64_t row, std::int64_t place, std::int64_t places) {
      const Line line{factor + row * of.channels, add + row * of.channels};
      for (std::int64_t p = place; p < place + places; ++p) {
        const std::int64_t at = row * of.picture() + p * of.channels;
        scaled(in + at, line, relu, out + at, of.channels);
      }
    });
  });
  return y;
}

at::Tensor channel_products_cpu(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale,
                                const at::Tensor& shift, bool relu) {
  const Extent of(x);
  const at::Tensor out = at::zeros({2, of.rows, of.channels}, at::kDouble);
  auto* const sum = out.data_ptr<double>();
  const auto *const factor = scale.const_data_ptr<float>(), *const add = shift.const_data_ptr<float>();
  with_type_of(x, [&]<class T>(T) {
    const T *const in = x.const_data_ptr<T>(), *const by = grad.const_data_ptr<T>();
    each_piece(of, [&](std::int64_t row, std::int64_t place, std::int64_t places) {
      const std::int64_t at = row * of.picture() + place * of.channels;
      double* const own = sum + row * of.channels;
      products(by + at, in + at, {factor + row * of.channels, add + row * of.channels}, relu, places, of.channels, own,
               own + of.rows * of.channels);
    });
  });
  return out;
}

at::Tensor channel_gradient_cpu(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale,
                                const at::Tensor& shift, bool relu, const at::Tensor& by_grad, const at::Tensor& by_x,
                                const at::Tensor& rest) {
  const Extent of(x);
  const at::Tensor out = at::empty_like(x);
  const auto line_of = [](const at::Tensor& lines, std::int64_t row) {
    return lines.const_data_ptr<float>() + row * lines.size(-1);
  };
  with_type_of(x, [&]<class T>(T) {
    const T *const in = x.const_data_ptr<T>(), *const by = grad.const_data_ptr<T>();
    T* const to = out.data_ptr<T>();
    each_piece(of, [&](std::int64_t row, std::int64_t place, std::int64_t places) {
      const Line line{line_of(scale, row), line_of(shift, row)};
      for (std::int64_t p = place; p < place + places; ++p) {
        const std::int64_t at = row * of.picture() + p * of.channels;
        slopes(by + at, in + at, line, relu, line_of(by_grad, row), line_of(by_x, row), line_of(rest, row), to + at,
               of.channels);
      }
    });
  });
  return out;
}

}  // namespace clip_hpc
