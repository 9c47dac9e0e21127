#include "clip_hpc/data/image/decode.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/input_limits.hpp"
#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

std::span<const ImageFormatRow> formats() {
  static const std::array rows{jpeg_format(), png_format(), webp_format(), gif_format(), bmp_format(), tiff_format()};
  return rows;
}

const ImageFormatRow* find_format(ImageBytes bytes) {
  const auto row = std::ranges::find_if(formats(), [&](const ImageFormatRow& one) { return one.matches(bytes); });
  return row != formats().end() ? &*row : nullptr;
}

// What the first bytes say about a file that is not read.
const char* known_kind(ImageBytes bytes) {
  const auto brand = [&](std::string_view name) {
    return starts_with(bytes, "ftyp", 4) && starts_with(bytes, name, 8);
  };
  if (brand("avif") || brand("avis")) return "AVIF";
  if (brand("heic") || brand("heix") || brand("mif1") || brand("heim") || brand("hevc")) return "HEIC";
  if (starts_with(bytes, "ftyp", 4)) return "a video (MP4)";
  if (starts_with(bytes, "\xFF\x0A") || starts_with(bytes, "JXL ", 4)) return "JPEG XL";
  if (starts_with(bytes, "jP  ", 4) || starts_with(bytes, "\xFF\x4F\xFF\x51")) return "JPEG 2000";
  if (starts_with(bytes, "8BPS")) return "Photoshop (PSD)";
  if (starts_with(bytes, {"\0\0\1\0", 4})) return "an icon (ICO)";
  if (starts_with(bytes, "%PDF")) return "PDF";
  if (starts_with(bytes, "<svg") || starts_with(bytes, "<?xml")) return "SVG or XML";
  if (starts_with(bytes, "<!DOCTYPE") || starts_with(bytes, "<!doctype") || starts_with(bytes, "<html")) return "HTML";
  if (starts_with(bytes, "\x1F\x8B")) return "gzip";
  return nullptr;
}

Error unknown_format(ImageBytes bytes) {
  if (bytes.empty()) return storage_error("undecodable image: it has no bytes");
  if (const char* kind = known_kind(bytes)) return storage_error("undecodable image: {} is not read", kind);
  std::string names;
  for (const ImageFormatRow& row : formats()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return storage_error("undecodable image of {} bytes: none of {}", bytes.size(), names);
}

const ImageFormatRow& require_format(ImageBytes bytes) {
  const ImageFormatRow* row = find_format(bytes);
  if (row == nullptr) throw unknown_format(bytes);
  return *row;
}

// a * b / 255, rounded as Pillow rounds it.
int scaled(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

}  // namespace

bool starts_with(ImageBytes bytes, std::string_view magic, std::size_t at) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

Error undecodable(const char* format, std::string_view reason) {
  return storage_error("undecodable {} image: {}", format, reason);
}

void check_size(std::int64_t width, std::int64_t height, const char* format) {
  constexpr InputLimits limits = kInputLimits;
  if (width < 1 || height < 1 || width > limits.image_side || height > limits.image_side ||
      width * height > limits.image_pixels) {
    throw undecodable(format, fmt::format("{} x {} pixels (limit {})", width, height, limits.image_pixels));
  }
}

void check_claim(std::int64_t width, std::int64_t height, ImageBytes bytes, const char* format) {
  check_size(width, height, format);
  constexpr std::int64_t kAnyFile = 1 << 24, kPerByte = 4096;  // pixels; LZW's best is 2,700 per byte
  if (width * height > kAnyFile && width * height / kPerByte > std::ssize(bytes)) {
    throw undecodable(format, fmt::format("{} x {} pixels cannot be in {} bytes", width, height, bytes.size()));
  }
}

void shape_image(Image& image, std::int64_t width, std::int64_t height, int channels, Pixels kind, const char* format) {
  check_size(width, height, format);
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.channels = channels;
  image.kind = kind;
  image.palette.clear();
  image.pixels.resize(static_cast<std::size_t>(width * height) * static_cast<std::size_t>(channels));
}

ImageFormat format_of(ImageBytes bytes) {
  const ImageFormatRow* row = find_format(bytes);
  return row != nullptr ? row->format : ImageFormat::unknown;
}

const char* extension_of(ImageFormat format) {
  const auto row = std::ranges::find(formats(), format, &ImageFormatRow::format);
  return row != formats().end() ? row->extension : "";
}

void decode_stored_into(ImageBytes bytes, int short_side, Image& image) {
  require_format(bytes).decode(bytes, short_side, image);
}

Image decode_stored(ImageBytes bytes, int short_side) {
  Image image;
  decode_stored_into(bytes, short_side, image);
  return image;
}

Image decode_image(ImageBytes bytes, int short_side) {
  Image image = to_plain(decode_stored(bytes, short_side));
  if (image.channels == 3) return image;
  Image rgb{image.width, image.height, 3, std::vector<std::uint8_t>(3 * image.pixels.size())};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) std::fill_n(&rgb.pixels[3 * i], 3, image.pixels[i]);
  return rgb;
}

ImageSize probe_size(ImageBytes bytes) { return require_format(bytes).probe(bytes); }

Image to_plain(Image image) {
  const std::size_t count = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  std::uint8_t* const pixels = image.pixels.data();  // no pixel of the result is longer: in place
  switch (image.kind) {
    case Pixels::plain:
    case Pixels::nearest:
      break;
    case Pixels::rgba:
      for (std::size_t i = 0; i < count; ++i) std::memmove(pixels + 3 * i, pixels + 4 * i, 3);
      image.channels = 3;
      break;
    case Pixels::cmyk:
      for (std::size_t i = 0; i < count; ++i) {
        const int light = 255 - pixels[4 * i + 3];
        for (std::size_t c = 0; c < 3; ++c) {
          pixels[3 * i + c] = static_cast<std::uint8_t>(std::max(0, light - scaled(pixels[4 * i + c], light)));
        }
      }
      image.channels = 3;
      break;
    case Pixels::grey16:
      for (std::size_t i = 0; i < count; ++i) pixels[i] = pixels[2 * i + 1] > 0 ? 255 : pixels[2 * i];
      image.channels = 1;
      break;
  }
  image.kind = Pixels::plain;
  image.palette.clear();
  image.pixels.resize(count * static_cast<std::size_t>(image.channels));
  return image;
}

Image image_from_raw(std::vector<std::uint8_t>&& pixels, std::int64_t width, std::int64_t height, int channels) {
  constexpr std::int64_t kMostSide = 1 << 30;
  if ((channels != 1 && channels != 3) || width < 1 || height < 1 || width > kMostSide || height > kMostSide ||
      static_cast<std::uint64_t>(width * height * channels) != pixels.size()) {
    throw storage_error("undecodable raw image: {} x {} x {} does not fit {} bytes", width, height, channels,
                        pixels.size());
  }
  return {static_cast<int>(width), static_cast<int>(height), channels, std::move(pixels)};
}

}  // namespace clip_hpc
