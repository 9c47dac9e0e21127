#include "data/augment/operations/geometry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numbers>

#include "clip_hpc/base/vector_clones.hpp"
#include "data/augment/pixel_map.hpp"

namespace clip_hpc {
namespace {

// Python's round(value, 15): the nearest decimal, so that the cosine of 90 degrees is 0.
double to_15_places(double value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, 15);
  double nearest = value;
  std::from_chars(text, written.ptr, nearest);
  return nearest;
}

CLIP_HPC_VECTOR_CLONES
void turn_row(const std::uint8_t* row, std::size_t width, std::uint8_t* out) {
  for (std::size_t x = 0; x < width; ++x) out[x] = row[width - 1 - x];
}

}  // namespace

void apply_flip(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& scratch) {
  const auto width = static_cast<std::size_t>(image.width);
  scratch.resize(width);
  for (std::size_t begin = 0; begin < image.bytes(); begin += width) {
    std::memcpy(scratch.data(), image.data + begin, width);
    turn_row(scratch.data(), width, image.data + begin);
  }
}

void apply_shear_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  sample_affine_map(image, {1, call.value, 0, 0, 1, 0}, call.sampling, call.fill, scratch);
}

void apply_shear_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  sample_affine_map(image, {1, 0, 0, call.value, 1, 0}, call.sampling, call.fill, scratch);
}

void apply_translate_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  sample_affine_map(image, {1, 0, call.value, 0, 1, 0}, call.sampling, call.fill, scratch);
}

void apply_translate_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  sample_affine_map(image, {1, 0, 0, 0, 1, call.value}, call.sampling, call.fill, scratch);
}

// About the middle of the image; order and rounding of each step as in PIL.Image.rotate.
void apply_rotate(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  double degrees = std::fmod(call.value, 360.0);
  if (degrees < 0) degrees += 360.0;
  if (degrees == 0) return;
  const double angle = -(degrees * (std::numbers::pi / 180.0));
  const double cosine = to_15_places(std::cos(angle)), sine = to_15_places(std::sin(angle));
  const double middle_x = image.width / 2.0, middle_y = image.height / 2.0;
  PixelMap map{cosine, sine, 0, to_15_places(-std::sin(angle)), cosine, 0};
  map.x0 = map.xx * -middle_x + map.xy * -middle_y + middle_x;
  map.y0 = map.yx * -middle_x + map.yy * -middle_y + middle_y;
  sample_affine_map(image, map, call.sampling, call.fill, scratch);
}

// A square around a pixel of the image; what of it is outside is cut off.
void apply_cutout(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  const int half = static_cast<int>(call.value);
  const int centre_x = std::clamp(static_cast<int>(call.x * image.width), 0, image.width - 1);
  const int centre_y = std::clamp(static_cast<int>(call.y * image.height), 0, image.height - 1);
  const int left = std::max(0, centre_x - half), right = std::min(image.width, centre_x + half);
  const int top = std::max(0, centre_y - half), bottom = std::min(image.height, centre_y + half);
  if (left >= right) return;
  for (int c = 0; c < image.channels; ++c) {
    for (int y = top; y < bottom; ++y) {
      std::memset(image.plane(c) + std::ptrdiff_t{y} * image.width + left, call.fill,
                  static_cast<std::size_t>(right - left));
    }
  }
}

}  // namespace clip_hpc
