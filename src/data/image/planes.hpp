// Pixels as a model takes them: one plane for each channel.
#pragma once

#include <cstdint>
#include <span>

#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

inline std::uint8_t luma(int red, int green, int blue) {  // Pillow's convert("L")
  return static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

void write_planes(const Image& image, int channels, std::span<std::uint8_t> out);  // [h, w, c] -> [channels, h, w]

}  // namespace clip_hpc
