// Image files in memory to pixels and back. Alpha is laid over white, CMYK and palettes become RGB.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

inline constexpr std::int64_t kMaxPixels = std::int64_t{512} << 20;  // a larger image is an attack or an accident

enum class ImageFormat { jpeg, png, webp, unknown };
ImageFormat format_of(std::span<const std::uint8_t> bytes);  // by magic bytes

// JPEG, PNG or WebP to RGB. short_side > 0 lets a JPEG be decoded at 1/2, 1/4 or 1/8 as long as its short side stays at
// least that long. Throws storage with the reason for anything that cannot be decoded whole.
Image decode_image(std::span<const std::uint8_t> bytes, int short_side = 0);
void decode_image_into(std::span<const std::uint8_t> bytes, int short_side, Image& image);  // reuses its buffer

// Raw bytes [height, width, channels] of a shard; takes the buffer. Throws storage when the sizes disagree.
Image image_from_raw(std::vector<std::uint8_t>&& pixels, std::int64_t width, std::int64_t height, int channels);

struct ImageSize {
  int width = 0, height = 0;
};
ImageSize probe_size(std::span<const std::uint8_t> bytes);  // from the header alone; throws storage

std::vector<std::uint8_t> encode_png(const Image& image);
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality);

}  // namespace clip_hpc
