#include "clip_hpc/data/image/decode.hpp"

#include <png.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <string>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::span<const std::uint8_t>;

struct TurboClose {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, TurboClose>;

Error undecodable(const char* format, std::string_view reason) {
  return storage_error("undecodable {} image: {}", format, reason);
}

// Of the given size; takes the buffer of `image`, so that a loop over pictures of one size allocates once.
void shape_image(Image& image, std::int64_t width, std::int64_t height, int channels, const char* format) {
  if (width < 1 || height < 1 || width > kMaxPixels || height > kMaxPixels || width * height > kMaxPixels) {
    throw undecodable(format, fmt::format("{} x {} pixels (limit {})", width, height, kMaxPixels));
  }
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.channels = channels;
  image.pixels.resize(static_cast<std::size_t>(width * height) * static_cast<std::size_t>(channels));
}

Image make_image(std::int64_t width, std::int64_t height, int channels, const char* format) {
  Image image;
  shape_image(image, width, height, channels, format);
  return image;
}

Image rgba_over_white(const Image& rgba) {
  Image rgb{rgba.width, rgba.height, 3, std::vector<std::uint8_t>(rgba.pixels.size() / 4 * 3)};
  const std::uint8_t* in = rgba.pixels.data();
  std::uint8_t* out = rgb.pixels.data();
  for (std::size_t i = 0; i < rgba.pixels.size() / 4; ++i, in += 4, out += 3) {
    const int alpha = in[3];
    for (int c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return rgb;
}

// --- JPEG -----------------------------------------------------------------------------------------------------------

// Adobe programs store CMYK inverted and say so by an APP14 marker; TurboJPEG hands the stored values over.
bool has_adobe_marker(Bytes bytes) {
  for (std::size_t at = 2; at + 9 < bytes.size() && bytes[at] == 0xFF;) {
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xDA || marker == 0xD9) return false;
    if (marker == 0xEE && std::memcmp(&bytes[at + 4], "Adobe", 5) == 0) return true;
    at += 2U + (std::size_t{bytes[at + 2]} << 8) + bytes[at + 3];
  }
  return false;
}

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colours = 0;
};

JpegHeader read_jpeg_header(const Turbo& turbo, Bytes bytes) {
  JpegHeader header;
  if (!turbo || tjDecompressHeader3(turbo.get(), bytes.data(), bytes.size(), &header.width, &header.height,
                                    &header.subsampling, &header.colours) != 0) {
    throw undecodable("JPEG", turbo ? tjGetErrorStr2(turbo.get()) : "no decoder");
  }
  return header;
}

void decode_jpeg(Bytes bytes, int short_side, Image& image) {
  // One decoder serves all good pictures of a thread. After any complaint it is thrown away: what a broken picture
  // leaves in it spoils the next ones.
  thread_local Turbo kept;
  Turbo turbo = kept ? std::move(kept) : Turbo(tjInitDecompress());
  const JpegHeader header = read_jpeg_header(turbo, bytes);
  int width = header.width;
  int height = header.height;
  for (const int divisor : {2, 4, 8}) {
    const tjscalingfactor factor{1, divisor};
    const int scaled_width = TJSCALED(header.width, factor);
    const int scaled_height = TJSCALED(header.height, factor);
    if (short_side <= 0 || std::min(scaled_width, scaled_height) < short_side) break;
    width = scaled_width;
    height = scaled_height;
  }
  const bool cmyk = header.colours == TJCS_CMYK || header.colours == TJCS_YCCK;
  make_image(header.width, header.height, 0, "JPEG");  // the limit holds for what is stored, too
  shape_image(image, width, height, cmyk ? 4 : 3, "JPEG");
  if (tjDecompress2(turbo.get(), bytes.data(), bytes.size(), image.pixels.data(), width, 0, height,
                    cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0) {
    const std::string reason = tjGetErrorStr2(turbo.get());
    // Stray bytes between segments are common and harmless; a picture that is cut off is not.
    if (tjGetErrorCode(turbo.get()) == TJERR_FATAL || reason.find("remature end") != std::string::npos) {
      throw undecodable("JPEG", reason);
    }
  } else {
    kept = std::move(turbo);
  }
  if (!cmyk) return;
  const int invert = has_adobe_marker(bytes) ? 0 : 255;
  Image rgb = make_image(width, height, 3, "JPEG");
  for (std::size_t i = 0; i < rgb.pixels.size() / 3; ++i) {
    const int black = image.pixels[4 * i + 3] ^ invert;
    for (std::size_t c = 0; c < 3; ++c) {
      rgb.pixels[3 * i + c] = static_cast<std::uint8_t>(((image.pixels[4 * i + c] ^ invert) * black + 127) / 255);
    }
  }
  image = std::move(rgb);
}

// --- PNG ------------------------------------------------------------------------------------------------------------

// libpng reports errors by longjmp: everything that owns memory lives out here, and read_png jumps over nothing.
struct PngRead {
  Bytes bytes;
  std::size_t at = 0;
  std::string reason;
  png_structp png = nullptr;
  png_infop info = nullptr;
  Image image;
  std::vector<png_bytep> rows;

  ~PngRead() { png_destroy_read_struct(&png, &info, nullptr); }
};

void png_take(png_structp png, png_bytep into, std::size_t count) {
  auto& read = *static_cast<PngRead*>(png_get_io_ptr(png));
  if (count > read.bytes.size() - read.at) png_error(png, "the file ends early");
  std::memcpy(into, read.bytes.data() + read.at, count);
  read.at += count;
}

void png_fail(png_structp png, png_const_charp reason) {
  static_cast<PngRead*>(png_get_error_ptr(png))->reason = reason;
  png_longjmp(png, 1);
}

void png_ignore(png_structp, png_const_charp) {}

void png_header(PngRead& read) {
  png_set_read_fn(read.png, &read, png_take);
  png_read_info(read.png, read.info);
}

void png_body(PngRead& read) {
  png_set_expand(read.png);  // palette, small greys and transparent colours
  png_set_scale_16(read.png);
  png_set_gray_to_rgb(read.png);
  png_set_add_alpha(read.png, 255, PNG_FILLER_AFTER);
  png_set_interlace_handling(read.png);
  png_read_update_info(read.png, read.info);
  png_read_image(read.png, read.rows.data());
  png_read_end(read.png, nullptr);
}

template <class Step>
bool png_step(PngRead& read, Step step) {
  if (setjmp(png_jmpbuf(read.png)) != 0) return false;
  step(read);
  return true;
}

void open_png(PngRead& read) {
  read.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &read, png_fail, png_ignore);
  if (read.png != nullptr) read.info = png_create_info_struct(read.png);
  if (read.info == nullptr) throw undecodable("PNG", "no memory");
  png_set_user_limits(read.png, 0x7fffffff, 0x7fffffff);  // ours come after the header
  if (!png_step(read, png_header)) throw undecodable("PNG", read.reason);
}

Image decode_png(Bytes bytes) {
  PngRead read;
  read.bytes = bytes;
  open_png(read);
  read.image =
      make_image(png_get_image_width(read.png, read.info), png_get_image_height(read.png, read.info), 4, "PNG");
  for (int y = 0; y < read.image.height; ++y) {
    read.rows.push_back(read.image.pixels.data() + std::ptrdiff_t{y} * read.image.width * 4);
  }
  if (!png_step(read, png_body)) throw undecodable("PNG", read.reason);
  return rgba_over_white(read.image);
}

// --- WebP -----------------------------------------------------------------------------------------------------------

WebPBitstreamFeatures read_webp_header(Bytes bytes) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) throw undecodable("WebP", "bad header");
  if (features.has_animation != 0) throw undecodable("WebP", "animations are not supported");
  return features;
}

Image decode_webp(Bytes bytes) {
  const WebPBitstreamFeatures features = read_webp_header(bytes);
  const bool alpha = features.has_alpha != 0;
  Image image = make_image(features.width, features.height, alpha ? 4 : 3, "WebP");
  const auto decode = alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(), features.width * image.channels) ==
      nullptr) {
    throw undecodable("WebP", "damaged or cut off");
  }
  return alpha ? rgba_over_white(image) : image;
}

Error unknown_format(Bytes bytes) {
  return storage_error("undecodable image of {} bytes: neither JPEG, PNG nor WebP", bytes.size());
}

}  // namespace

ImageFormat format_of(Bytes bytes) {
  const auto starts_with = [&](std::string_view magic, std::size_t at = 0) {
    return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
  };
  if (starts_with("\xFF\xD8\xFF")) return ImageFormat::jpeg;
  if (starts_with("\x89PNG\r\n\x1A\n")) return ImageFormat::png;
  if (starts_with("RIFF") && starts_with("WEBP", 8)) return ImageFormat::webp;
  return ImageFormat::unknown;
}

Image decode_image(Bytes bytes, int short_side) {
  Image image;
  decode_image_into(bytes, short_side, image);
  return image;
}

void decode_image_into(Bytes bytes, int short_side, Image& image) {
  switch (format_of(bytes)) {
    case ImageFormat::jpeg:
      return decode_jpeg(bytes, short_side, image);
    case ImageFormat::png:
      image = decode_png(bytes);
      return;
    case ImageFormat::webp:
      image = decode_webp(bytes);
      return;
    case ImageFormat::unknown:
      break;
  }
  throw unknown_format(bytes);
}

ImageSize probe_size(Bytes bytes) {
  switch (format_of(bytes)) {
    case ImageFormat::jpeg: {
      const JpegHeader header = read_jpeg_header(Turbo(tjInitDecompress()), bytes);
      return {header.width, header.height};
    }
    case ImageFormat::png: {
      PngRead read;
      read.bytes = bytes;
      open_png(read);
      return {static_cast<int>(png_get_image_width(read.png, read.info)),
              static_cast<int>(png_get_image_height(read.png, read.info))};
    }
    case ImageFormat::webp: {
      const WebPBitstreamFeatures features = read_webp_header(bytes);
      return {features.width, features.height};
    }
    case ImageFormat::unknown:
      break;
  }
  throw unknown_format(bytes);
}

Image image_from_raw(std::vector<std::uint8_t>&& pixels, std::int64_t width, std::int64_t height, int channels) {
  if ((channels != 1 && channels != 3) || width < 1 || height < 1 || width > kMaxPixels || height > kMaxPixels ||
      static_cast<std::uint64_t>(width * height * channels) != pixels.size()) {
    throw storage_error("undecodable raw image: {} x {} x {} does not fit {} bytes", width, height, channels,
                        pixels.size());
  }
  return {static_cast<int>(width), static_cast<int>(height), channels, std::move(pixels)};
}

std::vector<std::uint8_t> encode_png(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size_bytes = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::vector<std::uint8_t> bytes(size_bytes);
  if (png_image_write_to_memory(&header, bytes.data(), &size_bytes, 0, image.pixels.data(), 0, nullptr) == 0) {
    throw input_error("cannot encode {} x {} x {} as PNG: {}", image.width, image.height, image.channels,
                      static_cast<const char*>(header.message));
  }
  bytes.resize(size_bytes);
  return bytes;
}

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  const Turbo turbo(tjInitCompress());
  unsigned char* buffer = nullptr;
  unsigned long size_bytes = 0;
  const bool grey = image.channels == 1;
  const int failed =
      !turbo ? 1
             : tjCompress2(turbo.get(), image.pixels.data(), image.width, 0, image.height, grey ? TJPF_GRAY : TJPF_RGB,
                           &buffer, &size_bytes, grey ? TJSAMP_GRAY : TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owned(buffer, tjFree);
  if (failed != 0) {
    throw input_error("cannot encode {} x {} x {} as JPEG of quality {}", image.width, image.height, image.channels,
                      quality);
  }
  return {buffer, buffer + size_bytes};
}

}  // namespace clip_hpc
