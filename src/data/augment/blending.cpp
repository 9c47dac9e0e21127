#include "data/augment/blending.hpp"

#include <algorithm>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

CLIP_HPC_VECTOR_CLONES
void blend_smooth_row(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below, int width,
                      std::uint16_t half, float factor, std::uint8_t* out) {
  for (int x = 1; x < width - 1; ++x) {
    const int sum = above[x - 1] + above[x] + above[x + 1] + row[x - 1] + 5 * row[x] + row[x + 1] + below[x - 1] +
                    below[x] + below[x + 1] + half;
    // 20165 / 2^18 is 1/13 for every sum that may come (up to 13 * 255 + 6)
    const int smooth = (sum * 20165) >> 18;
    out[x] = blended(smooth, row[x], factor);
  }
}

}  // namespace

CLIP_HPC_VECTOR_CLONES
void blend_with_value(std::uint8_t* pixels, std::size_t count, int degenerate, float factor) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = blended(degenerate, pixels[i], factor);
}

CLIP_HPC_VECTOR_CLONES
void blend_with_plane(std::uint8_t* pixels, std::size_t count, const std::uint8_t* degenerate, float factor) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = blended(degenerate[i], pixels[i], factor);
}

void blend_with_smooth(const PixelPlanes& image, int half, float factor, OperationScratch& scratch) {
  if (image.width < 3 || image.height < 3) return;
  scratch.assign(image.data, image.data + image.bytes());
  const auto width = static_cast<std::size_t>(image.width);
  for (int c = 0; c < image.channels; ++c) {
    const std::uint8_t* const source = scratch.data() + static_cast<std::size_t>(c) * image.plane_bytes();
    for (std::size_t y = 1; y + 1 < static_cast<std::size_t>(image.height); ++y) {
      blend_smooth_row(source + (y - 1) * width, source + y * width, source + (y + 1) * width, image.width,
                       static_cast<std::uint16_t>(half), factor, image.plane(c) + y * width);
    }
  }
}

}  // namespace clip_hpc
