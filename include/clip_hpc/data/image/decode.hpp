// Image files in memory to pixels and back.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

enum class ImageFormat { jpeg, png, webp, gif, bmp, tiff, unknown };
ImageFormat format_of(std::span<const std::uint8_t> bytes);  // by the first bytes
const char* extension_of(ImageFormat format);                // without a dot; empty for unknown

// As the file stores it (Pixels), for a view. Of an animation the first frame. short_side > 0 lets a JPEG be decoded at
// 1/2, 1/4 or 1/8 as long as its short side stays at least that long. Throws storage with the reason for anything that
// cannot be decoded whole, or is larger than kInputLimits allows.
Image decode_stored(std::span<const std::uint8_t> bytes, int short_side = 0);
void decode_stored_into(std::span<const std::uint8_t> bytes, int short_side, Image& image);  // reuses its buffer

// RGB, as Pillow's convert("RGB"): alpha is dropped.
Image decode_image(std::span<const std::uint8_t> bytes, int short_side = 0);

// Raw bytes [height, width, channels] of a shard; takes the buffer. Throws storage when the sizes disagree.
Image image_from_raw(std::vector<std::uint8_t>&& pixels, std::int64_t width, std::int64_t height, int channels);

struct ImageSize {
  int width = 0, height = 0;
};
ImageSize probe_size(std::span<const std::uint8_t> bytes);  // from the header alone; throws storage

std::vector<std::uint8_t> encode_png(const Image& image);
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality);

}  // namespace clip_hpc
