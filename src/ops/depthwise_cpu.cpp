#include "ops/depthwise_cpu.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "clip_hpc/base/host_device.hpp"
#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kBlock = 32;  // channels whose sums stay in registers
constexpr std::int64_t kRun = 4;     // neighbouring places that share the loads of a tap's weights

struct Geometry {
  std::int64_t height, width, channels, kernel;
  std::int64_t pad() const { return kernel / 2; }
  std::int64_t padded_width() const { return width + 2 * pad(); }
  std::int64_t padded_places() const { return (height + 2 * pad()) * padded_width(); }
  std::int64_t taps() const { return kernel * kernel; }
  // Of a tap's place from that of the output's, in the padded picture.
  std::int64_t shift(std::int64_t tap) const { return tap / kernel * padded_width() + tap % kernel; }
};

Geometry geometry_of(const at::Tensor& x, std::int64_t kernel) { return {x.size(1), x.size(2), x.size(3), kernel}; }

// `run` places from `in` on (padded picture, all channels): out[r][c] = bias[c] + sum over taps.
template <std::int64_t kWidth>
CLIP_HPC_HOST_DEVICE void block_of_places(const float* in, const float* weights, const float* bias, float* out,
                                          const std::int64_t* shifts, std::int64_t taps, std::int64_t channels,
                                          std::int64_t run) {
  float sums[kRun][kWidth];
  for (std::int64_t r = 0; r < kRun; ++r) {
    for (std::int64_t c = 0; c < kWidth; ++c) sums[r][c] = bias[c];
  }
  if (run == kRun) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const float* const from = in + shifts[tap] * channels;
      const float* const w = weights + tap * channels;
      for (std::int64_t r = 0; r < kRun; ++r) {
        for (std::int64_t c = 0; c < kWidth; ++c) sums[r][c] += from[r * channels + c] * w[c];
      }
    }
  } else {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const float* const from = in + shifts[tap] * channels;
      const float* const w = weights + tap * channels;
      for (std::int64_t r = 0; r < run; ++r) {
        for (std::int64_t c = 0; c < kWidth; ++c) sums[r][c] += from[r * channels + c] * w[c];
      }
    }
  }
  for (std::int64_t r = 0; r < run; ++r) {
    for (std::int64_t c = 0; c < kWidth; ++c) out[r * channels + c] = sums[r][c];
  }
}

// One row of places. weights [taps, channels], in: of the row's first output in the padded picture.
CLIP_HPC_VECTOR_CLONES
void convolve_row(const float* in, const float* weights, const float* bias, float* out, const std::int64_t* shifts,
                  std::int64_t taps, std::int64_t width, std::int64_t channels) {
  for (std::int64_t x = 0; x < width; x += kRun) {
    const std::int64_t run = std::min(kRun, width - x);
    std::int64_t c = 0;
    for (; c + kBlock <= channels; c += kBlock) {
      block_of_places<kBlock>(in + x * channels + c, weights + c, bias + c, out + x * channels + c, shifts, taps,
                              channels, run);
    }
    for (; c + 8 <= channels; c += 8) {
      block_of_places<8>(in + x * channels + c, weights + c, bias + c, out + x * channels + c, shifts, taps, channels,
                         run);
    }
    for (; c < channels; ++c) {
      block_of_places<1>(in + x * channels + c, weights + c, bias + c, out + x * channels + c, shifts, taps, channels,
                         run);
    }
  }
}

// A row of kernel weights for kWidth channels: sum over the places of one row of the gradient, in registers.
template <std::int64_t kKernel, std::int64_t kWidth>
CLIP_HPC_HOST_DEVICE void block_of_taps(const float* in, const float* grad, float* sum, std::int64_t width,
                                        std::int64_t channels) {
  float sums[kKernel][kWidth];
  for (std::int64_t dx = 0; dx < kKernel; ++dx) {
    for (std::int64_t c = 0; c < kWidth; ++c) sums[dx][c] = sum[dx * channels + c];
  }
  for (std::int64_t x = 0; x < width; ++x) {
    for (std::int64_t dx = 0; dx < kKernel; ++dx) {
      for (std::int64_t c = 0; c < kWidth; ++c) sums[dx][c] += in[(x + dx) * channels + c] * grad[x * channels + c];
    }
  }
  for (std::int64_t dx = 0; dx < kKernel; ++dx) {
    for (std::int64_t c = 0; c < kWidth; ++c) sum[dx * channels + c] = sums[dx][c];
  }
}

template <std::int64_t kKernel>
CLIP_HPC_HOST_DEVICE void row_of_taps(const float* in, const float* grad, float* sum, std::int64_t width,
                                      std::int64_t channels) {
  std::int64_t c = 0;
  for (; c + 16 <= channels; c += 16) block_of_taps<kKernel, 16>(in + c, grad + c, sum + c, width, channels);
  for (; c + 8 <= channels; c += 8) block_of_taps<kKernel, 8>(in + c, grad + c, sum + c, width, channels);
  for (; c < channels; ++c) block_of_taps<kKernel, 1>(in + c, grad + c, sum + c, width, channels);
}

// sum [kernel, channels] += picture times gradient over one row of places. in: a row of the padded picture.
CLIP_HPC_VECTOR_CLONES
void correlate(const float* in, const float* grad, float* sum, std::int64_t kernel, std::int64_t width,
               std::int64_t channels) {
  if (kernel == 7) return row_of_taps<7>(in, grad, sum, width, channels);
  if (kernel == 5) return row_of_taps<5>(in, grad, sum, width, channels);
  if (kernel == 3) return row_of_taps<3>(in, grad, sum, width, channels);
  for (std::int64_t dx = 0; dx < kernel; ++dx) {
    row_of_taps<1>(in + dx * channels, grad, sum + dx * channels, width, channels);
  }
}

template <class T>
void widen(const T* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

// A picture in fp32 with a border of zeros. `padded` holds zeros where its border is.
template <class T>
void fill_padded(const T* picture, const Geometry& g, float* padded) {
  for (std::int64_t y = 0; y < g.height; ++y) {
    float* const row = padded + ((y + g.pad()) * g.padded_width() + g.pad()) * g.channels;
    widen(picture + y * g.width * g.channels, row, g.width * g.channels);
  }
}

template <class Run>
auto with_type_of(const at::Tensor& x, const Run& run) {
  return x.scalar_type() == at::kFloat ? run(float{}) : run(c10::BFloat16{});
}

std::vector<std::int64_t> shifts_of(const Geometry& g) {
  std::vector<std::int64_t> shifts;
  for (std::int64_t tap = 0; tap < g.taps(); ++tap) shifts.push_back(g.shift(tap));
  return shifts;
}

// taps [taps, channels] fp32, bias [channels] fp32
at::Tensor convolve(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& bias, std::int64_t kernel) {
  const Geometry g = geometry_of(x, kernel);
  const at::Tensor y = at::empty_like(x);
  const std::vector<std::int64_t> shifts = shifts_of(g);
  const std::int64_t picture = g.height * g.width * g.channels;
  const float *const w = taps.const_data_ptr<float>(), *const b = bias.const_data_ptr<float>();
  with_type_of(x, [&]<class T>(T) {
    const T* const in = x.const_data_ptr<T>();
    T* const out = y.data_ptr<T>();
    at::parallel_for(0, x.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> padded(static_cast<std::size_t>(g.padded_places() * g.channels), 0.0F);
      std::vector<float> row(static_cast<std::size_t>(g.width * g.channels));
      for (std::int64_t i = begin; i < end; ++i) {
        fill_padded(in + i * picture, g, padded.data());
        for (std::int64_t line = 0; line < g.height; ++line) {
          convolve_row(padded.data() + line * g.padded_width() * g.channels, w, b, row.data(), shifts.data(), g.taps(),
                       g.width, g.channels);
          T* const to = out + i * picture + line * g.width * g.channels;
          for (std::int64_t k = 0; k < g.width * g.channels; ++k)
            to[k] = static_cast<T>(row[static_cast<std::size_t>(k)]);
        }
      }
    });
  });
  return y;
}

at::Tensor taps_of(const at::Tensor& weight) {  // [channels, 1, k, k] -> [k * k, channels] fp32
  return weight.flatten(1).t().to(at::kFloat).contiguous();
}

at::Tensor forward_by_library(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  const at::Tensor y = at::conv2d(x.permute({0, 3, 1, 2}), weight, bias, 1, weight.size(2) / 2, 1, x.size(3));
  return y.permute({0, 2, 3, 1}).contiguous();
}

}  // namespace

bool has_fast_library(at::ScalarType type) { return type == at::kFloat || at::get_cpu_capability() == "AVX512"; }

at::Tensor depthwise_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool by_library) {
  if (by_library) return forward_by_library(x, weight, bias);
  const at::Tensor shift = bias.defined() ? bias.to(at::kFloat).contiguous() : at::zeros({x.size(3)}, at::kFloat);
  return convolve(x, taps_of(weight), shift, weight.size(2));
}

at::Tensor depthwise_by_input_cpu(const at::Tensor& grad, const at::Tensor& weight, bool by_library) {
  if (by_library) return forward_by_library(grad, weight.flip({2, 3}), std::nullopt);
  const at::Tensor turned = taps_of(weight).flip({0}).contiguous();  // a kernel that is turned by half a circle
  return convolve(grad, turned, at::zeros({grad.size(3)}, at::kFloat), weight.size(2));
}

std::pair<at::Tensor, at::Tensor> depthwise_by_weight_cpu(const at::Tensor& grad, const at::Tensor& x,
                                                          std::int64_t kernel) {
  const Geometry g = geometry_of(x, kernel);
  const std::int64_t picture = g.height * g.width * g.channels;
  // Of each picture apart, so that the sum over them has one order.
  const at::Tensor of_pictures = at::empty({x.size(0), g.taps() + 1, g.channels}, at::kFloat);
  float* const sums = of_pictures.data_ptr<float>();
  with_type_of(x, [&]<class T>(T) {
    const T *const in = x.const_data_ptr<T>(), *const by = grad.const_data_ptr<T>();
    at::parallel_for(0, x.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> padded(static_cast<std::size_t>(g.padded_places() * g.channels), 0.0F);
      std::vector<float> wide(static_cast<std::size_t>(picture));
      for (std::int64_t i = begin; i < end; ++i) {
        fill_padded(in + i * picture, g, padded.data());
        widen(by + i * picture, wide.data(), picture);
        float* const own = sums + i * (g.taps() + 1) * g.channels;
        std::fill_n(own, (g.taps() + 1) * g.channels, 0.0F);
        for (std::int64_t y = 0; y < g.height; ++y) {
          for (std::int64_t dy = 0; dy < kernel; ++dy) {
            correlate(padded.data() + (y + dy) * g.padded_width() * g.channels, wide.data() + y * g.width * g.channels,
                      own + dy * kernel * g.channels, kernel, g.width, g.channels);
          }
        }
        float* const of_bias = own + g.taps() * g.channels;
        for (std::int64_t place = 0; place < g.height * g.width; ++place) {
          const float* const at = wide.data() + place * g.channels;
          for (std::int64_t c = 0; c < g.channels; ++c) of_bias[c] += at[c];
        }
      }
    });
  });
  const at::Tensor total = of_pictures.sum(0).to(x.scalar_type());  // [taps + 1, channels]
  return {total.slice(0, 0, g.taps()).t().reshape({g.channels, 1, kernel, kernel}), total.select(0, g.taps())};
}

}  // namespace clip_hpc
