#include "data/augment/operations/tensorflow.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "clip_hpc/base/vector_clones.hpp"
#include "data/augment/blending.hpp"
#include "data/augment/pixel_map.hpp"
#include "data/augment/value_table.hpp"

namespace clip_hpc {
namespace {

// tf.image.rgb_to_grayscale of bytes: through [0, 1], back with a factor of 255.5, fractions dropped.
CLIP_HPC_VECTOR_CLONES
void tf_grey_plane(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue, std::size_t count,
                   std::uint8_t* out) {
  constexpr float kUnit = 1.0F / 255.0F;
  for (std::size_t i = 0; i < count; ++i) {
    const float grey = static_cast<float>(red[i]) * kUnit * 0.2989F + static_cast<float>(green[i]) * kUnit * 0.5870F +
                       static_cast<float>(blue[i]) * kUnit * 0.1140F;
    out[i] = static_cast<std::uint8_t>(static_cast<int>(grey * 255.5F));
  }
}

const std::uint8_t* tf_grey_of(const PixelPlanes& image, OperationScratch& scratch) {
  if (image.channels != 3) return image.data;
  scratch.resize(image.plane_bytes());
  tf_grey_plane(image.plane(0), image.plane(1), image.plane(2), image.plane_bytes(), scratch.data());
  return scratch.data();
}

struct TfMap {  // as a row of tfa.image.transform: in = (xx x + xy y + x0, yx x + yy y + y0), of corners
  float xx, xy, x0, yx, yy, y0;
};

CLIP_HPC_VECTOR_CLONES
void tf_places_of_row(const TfMap& map, float y, std::int32_t width, std::int32_t height, std::int32_t* places) {
  for (std::int32_t x = 0; x < width; ++x) {
    const auto at = static_cast<float>(x);
    const float from_x = map.xx * at + map.xy * y + map.x0;
    const float from_y = map.yx * at + map.yy * y + map.y0;
    // std::round, in double precision, where 0.49999997 + 0.5 stays below 1; at or below -0.5 is outside
    const auto column = static_cast<std::int32_t>(static_cast<double>(from_x) + 0.5);  // NOLINT
    const auto row = static_cast<std::int32_t>(static_cast<double>(from_y) + 0.5);     // NOLINT
    const bool inside = (from_x > -0.5F) & (from_y > -0.5F) & (column < width) & (row < height);
    places[x] = inside ? row * width + column : width * height;
  }
}

void tf_transform(const PixelPlanes& image, const TfMap& map, std::uint8_t fill, OperationScratch& scratch) {
  copy_with_fill(image, fill, scratch);
  std::vector<std::int32_t> places(static_cast<std::size_t>(image.width));
  for (int y = 0; y < image.height; ++y) {
    tf_places_of_row(map, static_cast<float>(y), image.width, image.height, places.data());
    take_places(image, y, places.data(), scratch);
  }
}

}  // namespace

void apply_tf_autocontrast(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& /*scratch*/) {
  const std::size_t count = image.plane_bytes();
  for (int c = 0; c < image.channels; ++c) {
    const ValueRange range = value_range(image.plane(c), count);
    if (range.high <= range.low) continue;
    const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
    const float scale = 255.0F / (high - low);
    const float offset = -low * scale;
    ValueTable table;
    for (std::size_t value = 0; value < 256; ++value) {
      table[value] = static_cast<std::uint8_t>(std::clamp(static_cast<float>(value) * scale + offset, 0.0F, 255.0F));
    }
    look_up_line(image.plane(c), count, table, static_cast<double>(scale), static_cast<double>(offset));
  }
}

void apply_tf_color(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  if (image.channels != 3) return;
  const std::uint8_t* const grey = tf_grey_of(image, scratch);
  for (int c = 0; c < 3; ++c) {
    blend_with_plane(image.plane(c), image.plane_bytes(), grey, static_cast<float>(call.value));
  }
}

void apply_tf_contrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  const std::uint8_t* const grey = tf_grey_of(image, scratch);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < image.plane_bytes(); ++i) sum += grey[i];
  const int mean = static_cast<int>(static_cast<float>(sum) / static_cast<float>(image.plane_bytes()));
  blend_with_value(image.data, image.bytes(), mean, static_cast<float>(call.value));
}

// The code divides the histogram's sum, which is the number of pixels, by the number of its bins, and takes it for the
// mean: 196 at 224 x 224.
void apply_tf_contrast_of_count(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  const std::size_t mean = std::min<std::size_t>(image.plane_bytes() / 256, 255);
  blend_with_value(image.data, image.bytes(), static_cast<int>(mean), static_cast<float>(call.value));
}

void apply_tf_sharpness(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  blend_with_smooth(image, 0, static_cast<float>(call.value), scratch);
}

void apply_tf_shear_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  tf_transform(image, {1, static_cast<float>(call.value), 0, 0, 1, 0}, call.fill, scratch);
}

void apply_tf_shear_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  tf_transform(image, {1, 0, 0, static_cast<float>(call.value), 1, 0}, call.fill, scratch);
}

void apply_tf_translate_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  tf_transform(image, {1, 0, static_cast<float>(call.value), 0, 1, 0}, call.fill, scratch);
}

void apply_tf_translate_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  tf_transform(image, {1, 0, 0, 0, 1, static_cast<float>(call.value)}, call.fill, scratch);
}

// tfa.image.rotate: about the middle between the outermost corners.
void apply_tf_rotate(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  const auto angle = static_cast<float>(call.value * (std::numbers::pi / 180.0));
  const float cosine = std::cos(angle), sine = std::sin(angle);
  const auto width = static_cast<float>(image.width - 1), height = static_cast<float>(image.height - 1);
  const float x0 = (width - (cosine * width - sine * height)) / 2.0F;
  const float y0 = (height - (sine * width + cosine * height)) / 2.0F;
  tf_transform(image, {cosine, -sine, x0, sine, cosine, y0}, call.fill, scratch);
}

}  // namespace clip_hpc
