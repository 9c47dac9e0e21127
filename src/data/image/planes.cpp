#include "data/image/planes.hpp"

#include <cstring>

namespace clip_hpc {

void write_planes(const Image& image, int channels, std::span<std::uint8_t> out) {
  const std::size_t plane = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  const std::uint8_t* const in = image.pixels.data();
  if (image.channels == 1) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) std::memcpy(&out[c * plane], in, plane);
  } else if (channels == 1) {
    for (std::size_t i = 0; i < plane; ++i) out[i] = luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
  } else {
    std::uint8_t *const red = out.data(), *const green = red + plane, *const blue = green + plane;
    for (std::size_t i = 0; i < plane; ++i) {
      red[i] = in[3 * i];
      green[i] = in[3 * i + 1];
      blue[i] = in[3 * i + 2];
    }
  }
}

}  // namespace clip_hpc
