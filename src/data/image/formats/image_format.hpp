// The image files that can be read: one row per format, one file behind it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

inline constexpr std::size_t kPaletteBytes = 3 * std::size_t{256};  // of Image::palette

using ImageBytes = std::span<const std::uint8_t>;

struct ImageFormatRow {
  ImageFormat format;
  const char* name;
  const char* extension;
  bool (*matches)(ImageBytes bytes);  // by the first bytes
  // As the file stores it; throws storage. short_side: see decode_image; formats may pass over it.
  void (*decode)(ImageBytes bytes, int short_side, Image& image);
  ImageSize (*probe)(ImageBytes bytes);
};

bool starts_with(ImageBytes bytes, std::string_view magic, std::size_t at = 0);

Error undecodable(const char* format, std::string_view reason);

// Gives `image` its size; its buffer serves again, so that a loop over images of one size allocates once. Throws
// storage beyond kInputLimits, before memory is asked for.
void shape_image(Image& image, std::int64_t width, std::int64_t height, int channels, Pixels kind, const char* format);
void check_size(std::int64_t width, std::int64_t height, const char* format);
// The same, and refuses more pixels than the file's bytes can hold at the best of compressions.
void check_claim(std::int64_t width, std::int64_t height, ImageBytes bytes, const char* format);

ImageFormatRow jpeg_format();
ImageFormatRow png_format();
ImageFormatRow webp_format();
ImageFormatRow gif_format();
ImageFormatRow bmp_format();
ImageFormatRow tiff_format();

}  // namespace clip_hpc
