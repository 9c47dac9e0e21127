// out = degenerate + factor (image - degenerate) in single precision, cut off at 0 and 255, fractions dropped: the
// arithmetic of PIL.Image.blend, and of big_vision's.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

inline std::uint8_t blended(int degenerate, int pixel, float factor) {
  float value = static_cast<float>(degenerate) + factor * static_cast<float>(pixel - degenerate);
  value = value < 0.0F ? 0.0F : value;
  value = value > 255.0F ? 255.0F : value;
  return static_cast<std::uint8_t>(static_cast<int>(value));
}

void blend_with_value(std::uint8_t* pixels, std::size_t count, int degenerate, float factor);
void blend_with_plane(std::uint8_t* pixels, std::size_t count, const std::uint8_t* degenerate, float factor);

// With the 3 x 3 mean of weights 1, in the middle 5. `half`: what is added to a sum of 13 before it is divided (6
// rounds, 0 drops the fraction). The outermost pixels stay.
void blend_with_smooth(const PixelPlanes& image, int half, float factor, OperationScratch& scratch);

}  // namespace clip_hpc
