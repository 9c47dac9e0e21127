#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace clip_hpc {

struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;                  // 1 (grey) or 3 (RGB)
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

// A rectangle of someone else's pixels.
struct ImageView {
  const std::uint8_t* pixels = nullptr;  // of the first row
  int width = 0;
  int height = 0;
  int channels = 3;
  std::ptrdiff_t row_bytes = 0;

  ImageView() = default;
  ImageView(const Image& image)  // NOLINT: an image is a view of itself
      : pixels(image.pixels.data()),
        width(image.width),
        height(image.height),
        channels(image.channels),
        row_bytes(std::ptrdiff_t{image.width} * image.channels) {}
  ImageView crop(int left, int top, int crop_width, int crop_height) const {
    ImageView part = *this;
    part.pixels += top * row_bytes + std::ptrdiff_t{left} * channels;
    part.width = crop_width;
    part.height = crop_height;
    return part;
  }
};

}  // namespace clip_hpc
