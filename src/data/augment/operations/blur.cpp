#include "data/augment/operations/blur.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

constexpr int kPasses = 3;

struct BoxWeights {
  int radius = 0;           // of the pixels that count in full
  std::uint32_t full = 0;   // their weight, in 2^-24
  std::uint32_t outer = 0;  // of the pixel beyond them on either side
};

// The box whose variance is a third of sigma's (Gwosdek et al. 2011), in Pillow's precision.
BoxWeights box_weights(double sigma) {
  const auto radius = static_cast<float>(sigma);
  const float variance = radius * radius / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * static_cast<double>(variance) + 1.0));
  const auto whole = static_cast<float>(std::floor((static_cast<double>(length) - 1.0) / 2.0));
  float rest = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  rest /= 6 * (variance - (whole + 1) * (whole + 1));
  const float box = whole + rest;
  BoxWeights weights;
  weights.radius = static_cast<int>(box);
  weights.full = static_cast<std::uint32_t>(static_cast<float>(1U << 24) / (box * 2 + 1));
  weights.outer = ((1U << 24) - static_cast<std::uint32_t>(weights.radius * 2 + 1) * weights.full) / 2;
  return weights;
}

// `rows`: 2 radius + 3 of them, the outermost two are the outer ones.
CLIP_HPC_VECTOR_CLONES
void sum_rows(const std::uint8_t* const* rows, const BoxWeights& weights, std::size_t width, std::uint8_t* out) {
  const std::size_t last = static_cast<std::size_t>(weights.radius) * 2 + 2;
  const std::uint8_t *const first_row = rows[0], *const last_row = rows[last];
  if (weights.radius == 0) {  // the two radii of a blur that augmentations draw
    const std::uint8_t* const middle = rows[1];
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint32_t far = static_cast<std::uint32_t>(first_row[x]) + last_row[x];
      out[x] = static_cast<std::uint8_t>((middle[x] * weights.full + far * weights.outer + (1U << 23)) >> 24);
    }
    return;
  }
  if (weights.radius == 1) {
    const std::uint8_t *const a = rows[1], *const b = rows[2], *const c = rows[3];
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint32_t near = static_cast<std::uint32_t>(a[x]) + b[x] + c[x];
      const std::uint32_t far = static_cast<std::uint32_t>(first_row[x]) + last_row[x];
      out[x] = static_cast<std::uint8_t>((near * weights.full + far * weights.outer + (1U << 23)) >> 24);
    }
    return;
  }
  for (std::size_t x = 0; x < width; ++x) {
    std::uint32_t near = 0;
    for (std::size_t r = 1; r < last; ++r) near += rows[r][x];
    const std::uint32_t far = static_cast<std::uint32_t>(first_row[x]) + last_row[x];
    out[x] = static_cast<std::uint8_t>((near * weights.full + far * weights.outer + (1U << 23)) >> 24);
  }
}

void blur_along_rows(std::uint8_t* plane, std::size_t width, std::size_t height, const BoxWeights& weights,
                     OperationScratch& padded) {
  const auto margin = static_cast<std::size_t>(weights.radius) + 1;
  padded.resize(width + 2 * margin);
  std::vector<const std::uint8_t*> shifted(2 * margin + 1);
  for (std::size_t i = 0; i < shifted.size(); ++i) shifted[i] = padded.data() + i;
  for (std::size_t y = 0; y < height; ++y) {
    std::uint8_t* const row = plane + y * width;
    for (int pass = 0; pass < kPasses; ++pass) {
      std::memset(padded.data(), row[0], margin);
      std::memcpy(padded.data() + margin, row, width);
      std::memset(padded.data() + margin + width, row[width - 1], margin);
      sum_rows(shifted.data(), weights, width, row);
    }
  }
}

void blur_along_columns(std::uint8_t* plane, std::size_t width, std::size_t height, const BoxWeights& weights,
                        OperationScratch& copy) {
  const auto margin = std::ptrdiff_t{weights.radius} + 1;
  const auto last = static_cast<std::ptrdiff_t>(height) - 1;
  copy.resize(width * height);
  std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(2 * margin + 1));
  for (int pass = 0; pass < kPasses; ++pass) {
    std::memcpy(copy.data(), plane, width * height);
    for (std::ptrdiff_t y = 0; y <= last; ++y) {
      for (std::ptrdiff_t i = -margin; i <= margin; ++i) {
        rows[static_cast<std::size_t>(i + margin)] =
            copy.data() + static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(y + i, 0, last)) * width;
      }
      sum_rows(rows.data(), weights, width, plane + static_cast<std::size_t>(y) * width);
    }
  }
}

}  // namespace

void apply_blur(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  if (call.value <= 0) return;
  const BoxWeights weights = box_weights(call.value);
  const auto width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
  for (int c = 0; c < image.channels; ++c) {
    blur_along_rows(image.plane(c), width, height, weights, scratch);
    blur_along_columns(image.plane(c), width, height, weights, scratch);
  }
}

}  // namespace clip_hpc
