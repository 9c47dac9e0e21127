#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <string>

#include "clip_hpc/data/image/decode.hpp"
#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

// libpng reports errors by longjmp: everything that owns memory lives out here, and read_png jumps over nothing.
struct PngRead {
  ImageBytes bytes;
  std::size_t at = 0;
  bool ended_early = false;
  std::string reason;
  png_structp png = nullptr;
  png_infop info = nullptr;
  Image* image = nullptr;

  PngRead() = default;
  PngRead(const PngRead&) = delete;
  PngRead& operator=(const PngRead&) = delete;
  ~PngRead() { png_destroy_read_struct(&png, &info, nullptr); }
};

void png_take(png_structp png, png_bytep into, std::size_t count) {
  auto& read = *static_cast<PngRead*>(png_get_io_ptr(png));
  if (count > read.bytes.size() - read.at) {
    read.ended_early = true;
    png_error(png, "the file ends early");
  }
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

// To what Pillow has: two bytes a pixel of 16-bit grey alone, of other colours the high byte.
void png_transformations(PngRead& read) {
  const png_byte colours = png_get_color_type(read.png, read.info);
  const png_byte bits = png_get_bit_depth(read.png, read.info);
  if (colours == PNG_COLOR_TYPE_PALETTE) {
    png_set_palette_to_rgb(read.png);
    png_set_strip_alpha(read.png);
  } else if (colours == PNG_COLOR_TYPE_GRAY) {
    if (bits < 8) png_set_expand_gray_1_2_4_to_8(read.png);
    if (bits == 16) png_set_swap(read.png);  // little-endian
  } else {
    png_set_strip_16(read.png);
    if (colours == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(read.png);
  }
}

void png_body(PngRead& read) {
  png_transformations(read);
  const int passes = png_set_interlace_handling(read.png);
  png_read_update_info(read.png, read.info);
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{read.image->width} * read.image->channels;
  if (png_get_rowbytes(read.png, read.info) != static_cast<png_size_t>(row_bytes)) png_error(read.png, "row size");
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < read.image->height; ++y) {
      png_read_row(read.png, read.image->pixels.data() + y * row_bytes, nullptr);
    }
  }
}

void png_end(PngRead& read) { png_read_end(read.png, nullptr); }

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

// A few bytes may claim millions of pixels: deflate packs no better than 1 : 1032.
void check_png_claim(const PngRead& read, std::int64_t width, std::int64_t height) {
  const std::int64_t bits =
      std::int64_t{png_get_bit_depth(read.png, read.info)} * png_get_channels(read.png, read.info);
  const std::int64_t rows_bytes = height * (width * bits / 8 + 1);
  if (rows_bytes / 1032 > std::ssize(read.bytes)) {
    throw undecodable("PNG", fmt::format("{} x {} pixels cannot be in {} bytes", width, height, read.bytes.size()));
  }
}

void decode_png(ImageBytes bytes, int /*short_side*/, Image& image) {
  PngRead read;
  read.bytes = bytes;
  open_png(read);
  const std::int64_t width = png_get_image_width(read.png, read.info);
  const std::int64_t height = png_get_image_height(read.png, read.info);
  const png_byte colours = png_get_color_type(read.png, read.info);
  const png_byte bits = png_get_bit_depth(read.png, read.info);
  check_size(width, height, "PNG");
  check_png_claim(read, width, height);
  Pixels kind = Pixels::plain;
  int channels = 3;
  if (colours == PNG_COLOR_TYPE_PALETTE) {
    kind = Pixels::nearest;
  } else if (colours == PNG_COLOR_TYPE_GRAY) {
    kind = bits == 1 ? Pixels::nearest : bits == 16 ? Pixels::grey16 : Pixels::plain;
    channels = bits == 16 ? 2 : 1;
  } else if ((colours & PNG_COLOR_MASK_ALPHA) != 0) {
    kind = Pixels::rgba;
    channels = 4;
  }
  shape_image(image, width, height, channels, kind, "PNG");
  if (colours == PNG_COLOR_TYPE_PALETTE) {
    png_colorp entries = nullptr;
    int count = 0;
    png_get_PLTE(read.png, read.info, &entries, &count);
    image.palette.assign(kPaletteBytes, 0);
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::clamp(count, 0, 256)); ++i) {
      image.palette[3 * i] = entries[i].red;
      image.palette[3 * i + 1] = entries[i].green;
      image.palette[3 * i + 2] = entries[i].blue;
    }
  }
  read.image = &image;
  if (!png_step(read, png_body)) throw undecodable("PNG", read.reason);
  // All pixels are there: that the file ends before its end chunk is no loss.
  if (!png_step(read, png_end) && !read.ended_early) throw undecodable("PNG", read.reason);
}

}  // namespace

ImageFormatRow png_format() {
  return {.format = ImageFormat::png,
          .name = "PNG",
          .extension = "png",
          .matches = [](ImageBytes bytes) { return starts_with(bytes, "\x89PNG\r\n\x1A\n"); },
          .decode = decode_png,
          .probe = [](ImageBytes bytes) -> ImageSize {
            PngRead read;
            read.bytes = bytes;
            open_png(read);
            check_size(png_get_image_width(read.png, read.info), png_get_image_height(read.png, read.info), "PNG");
            return {static_cast<int>(png_get_image_width(read.png, read.info)),
                    static_cast<int>(png_get_image_height(read.png, read.info))};
          }};
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

}  // namespace clip_hpc
