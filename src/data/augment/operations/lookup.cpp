#include "data/augment/operations/lookup.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "clip_hpc/base/vector_clones.hpp"
#include "data/augment/value_table.hpp"

namespace clip_hpc {
namespace {

using Histogram = std::array<std::uint32_t, 256>;

Histogram histogram_of(const std::uint8_t* pixels, std::size_t count) {
  std::array<Histogram, 4> parts{};  // equal neighbours would wait for each other's sum
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t part = 0; part < 4; ++part) ++parts[part][pixels[i + part]];
  }
  for (; i < count; ++i) ++parts[0][pixels[i]];
  for (std::size_t value = 0; value < 256; ++value) {
    parts[0][value] += parts[1][value] + parts[2][value] + parts[3][value];
  }
  return parts[0];
}

CLIP_HPC_VECTOR_CLONES
void invert_all(std::uint8_t* pixels, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = static_cast<std::uint8_t>(~pixels[i]);
}

CLIP_HPC_VECTOR_CLONES
void mask_all(std::uint8_t* pixels, std::size_t count, std::uint8_t mask) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = static_cast<std::uint8_t>(pixels[i] & mask);
}

CLIP_HPC_VECTOR_CLONES
void invert_from(std::uint8_t* pixels, std::size_t count, std::uint8_t first) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t value = pixels[i];
    pixels[i] = value < first ? value : static_cast<std::uint8_t>(~value);
  }
}

CLIP_HPC_VECTOR_CLONES
void add_below_128(std::uint8_t* pixels, std::size_t count, std::uint8_t addition) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t value = pixels[i];
    const auto sum = static_cast<std::uint8_t>(value + addition);  // of two numbers up to 128, of which one is smaller
    pixels[i] = value < 128 ? sum : value;
  }
}

}  // namespace

void apply_autocontrast(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& /*scratch*/) {
  const std::size_t count = image.plane_bytes();
  for (int c = 0; c < image.channels; ++c) {
    const auto [low, high] = value_range(image.plane(c), count);
    if (high <= low) continue;
    const double scale = 255.0 / (high - low);
    const double offset = -low * scale;
    ValueTable table;
    for (int value = 0; value < 256; ++value) {
      table[static_cast<std::size_t>(value)] =
          static_cast<std::uint8_t>(std::clamp(static_cast<int>(value * scale + offset), 0, 255));
    }
    look_up_line(image.plane(c), count, table, scale, offset);
  }
}

void apply_equalize(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& /*scratch*/) {
  const std::size_t count = image.plane_bytes();
  for (int c = 0; c < image.channels; ++c) {
    const Histogram histogram = histogram_of(image.plane(c), count);
    const auto last = std::find_if(histogram.rbegin(), histogram.rend(), [](std::uint32_t n) { return n > 0; });
    const std::uint64_t step = (count - *last) / 255;
    if (step == 0) continue;
    ValueTable table;
    std::uint64_t below = step / 2;
    for (std::size_t value = 0; value < 256; ++value) {
      table[value] = static_cast<std::uint8_t>(std::min<std::uint64_t>(below / step, 255));
      below += histogram[value];
    }
    look_up(image.plane(c), count, table);
  }
}

void apply_invert(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& /*scratch*/) {
  invert_all(image.data, image.bytes());
}

void apply_posterize(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  const int dropped = 8 - std::clamp(static_cast<int>(call.value), 0, 8);
  mask_all(image.data, image.bytes(), static_cast<std::uint8_t>(0xff << dropped));
}

void apply_solarize(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  const double first = std::ceil(call.value);
  if (first > 255) return;
  invert_from(image.data, image.bytes(), static_cast<std::uint8_t>(std::max(first, 0.0)));
}

void apply_solarize_add(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  add_below_128(image.data, image.bytes(), static_cast<std::uint8_t>(std::clamp(call.value, 0.0, 128.0)));
}

}  // namespace clip_hpc
