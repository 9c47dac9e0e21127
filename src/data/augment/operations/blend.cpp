#include "data/augment/operations/blend.hpp"

#include <cstring>

#include "clip_hpc/base/vector_clones.hpp"
#include "data/augment/blending.hpp"
#include "data/image/planes.hpp"

namespace clip_hpc {
namespace {

CLIP_HPC_VECTOR_CLONES
void luma_plane(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue, std::size_t count,
                std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = luma(red[i], green[i], blue[i]);
}

const std::uint8_t* luma_of(const PixelPlanes& image, OperationScratch& scratch) {
  scratch.resize(image.plane_bytes());
  luma_plane(image.plane(0), image.plane(1), image.plane(2), image.plane_bytes(), scratch.data());
  return scratch.data();
}

CLIP_HPC_VECTOR_CLONES
std::uint64_t sum_of(const std::uint8_t* pixels, std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += pixels[i];
  return sum;
}

}  // namespace

void apply_brightness(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  blend_with_value(image.data, image.bytes(), 0, static_cast<float>(call.value));
}

void apply_contrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  const std::uint8_t* const grey = image.channels == 3 ? luma_of(image, scratch) : image.data;
  const std::size_t count = image.plane_bytes();
  const double mean = static_cast<double>(sum_of(grey, count)) / static_cast<double>(count);
  // As Pillow rounds.
  blend_with_value(image.data, image.bytes(), static_cast<int>(mean + 0.5),  // NOLINT(bugprone-incorrect-roundings)
                   static_cast<float>(call.value));
}

void apply_color(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  if (image.channels != 3) return;
  const std::uint8_t* const grey = luma_of(image, scratch);
  for (int c = 0; c < 3; ++c) {
    blend_with_plane(image.plane(c), image.plane_bytes(), grey, static_cast<float>(call.value));
  }
}

void apply_sharpness(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  blend_with_smooth(image, 6, static_cast<float>(call.value), scratch);
}

void apply_grey(const PixelPlanes& image, const OperationCall& /*call*/, OperationScratch& scratch) {
  if (image.channels != 3) return;
  const std::uint8_t* const grey = luma_of(image, scratch);
  for (int c = 0; c < 3; ++c) std::memcpy(image.plane(c), grey, image.plane_bytes());
}

}  // namespace clip_hpc
