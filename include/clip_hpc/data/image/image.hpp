#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace clip_hpc {

// What the bytes of a pixel mean. As open_clip does it, a view resizes an image as it is stored and converts it to RGB
// afterwards; the order is visible for all kinds but the first.
enum class Pixels : std::uint8_t {
  plain,    // grey (1 byte) or RGB (3)
  nearest,  // the same, out of a palette or of one bit: resized without mixing colours
  rgba,     // 4 bytes; resized with premultiplied alpha, which is then dropped
  cmyk,     // 4 bytes
  grey16,   // 2 bytes, little-endian; values above 255 become 255 in RGB
};

struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;                  // bytes of a pixel
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
  Pixels kind = Pixels::plain;
  std::vector<std::uint8_t> palette{};  // [256, 3] where its pixels are out of one: the fill of a view is a place in it
};

// What Pillow's convert("RGB") makes of it; of grey one byte per pixel is left.
Image to_plain(Image image);

// A rectangle of someone else's pixels.
struct ImageView {
  const std::uint8_t* pixels = nullptr;  // of the first row
  int width = 0;
  int height = 0;
  int channels = 3;
  std::ptrdiff_t row_bytes = 0;
  Pixels kind = Pixels::plain;
  const std::uint8_t* palette = nullptr;  // [256, 3]

  ImageView() = default;
  ImageView(const Image& image)  // NOLINT: an image is a view of itself
      : pixels(image.pixels.data()),
        width(image.width),
        height(image.height),
        channels(image.channels),
        row_bytes(std::ptrdiff_t{image.width} * image.channels),
        kind(image.kind),
        palette(image.palette.empty() ? nullptr : image.palette.data()) {}
  ImageView crop(int left, int top, int crop_width, int crop_height) const {
    ImageView part = *this;
    part.pixels += top * row_bytes + std::ptrdiff_t{left} * channels;
    part.width = crop_width;
    part.height = crop_height;
    return part;
  }
};

}  // namespace clip_hpc
