#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

struct Memory {
  ImageBytes bytes;
  std::uint64_t at = 0;
};

tmsize_t take_bytes(thandle_t handle, void* into, tmsize_t count) {
  auto& memory = *static_cast<Memory*>(handle);
  const std::uint64_t begin = std::min<std::uint64_t>(memory.at, memory.bytes.size());
  const std::uint64_t taken = std::min<std::uint64_t>(static_cast<std::uint64_t>(count), memory.bytes.size() - begin);
  std::memcpy(into, memory.bytes.data() + begin, taken);
  memory.at = begin + taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t no_write(thandle_t, void*, tmsize_t) { return -1; }

toff_t move_to(thandle_t handle, toff_t offset, int whence) {
  auto& memory = *static_cast<Memory*>(handle);
  if (whence == SEEK_CUR) offset += memory.at;
  if (whence == SEEK_END) offset += memory.bytes.size();
  memory.at = offset;
  return offset;
}

int keep_open(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return static_cast<Memory*>(handle)->bytes.size(); }

using Tiff = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

template <class T>
T field(const Tiff& tiff, std::uint32_t tag) {
  T value{};
  TIFFGetFieldDefaulted(tiff.get(), tag, &value);
  return value;
}

struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t photometric = 0, bits = 1, samples = 1, format = 1, planes = 1, orientation = 1, compression = 1;
  int alpha = -1;  // what the first extra sample is: 0 nothing, 1 premultiplied, 2 alpha; -1: there is none
};

Tiff open_tiff(Memory& memory, Layout& layout) {
  static const bool silent = [] {  // a library does not print; what fails is ours to say
    TIFFSetErrorHandler(nullptr);
    TIFFSetWarningHandler(nullptr);
    return true;
  }();
  static_cast<void>(silent);
  Tiff tiff(TIFFClientOpen("image", "rm", &memory, take_bytes, no_write, move_to, keep_open, size_of, nullptr, nullptr),
            TIFFClose);
  if (tiff == nullptr) throw undecodable("TIFF", "damaged or cut off");
  layout.width = field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH);
  layout.height = field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH);
  check_size(layout.width, layout.height, "TIFF");
  layout.photometric = field<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
  layout.bits = field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE);
  layout.samples = field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL);
  layout.format = field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT);
  layout.planes = field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG);
  layout.orientation = field<std::uint16_t>(tiff, TIFFTAG_ORIENTATION);
  layout.compression = field<std::uint16_t>(tiff, TIFFTAG_COMPRESSION);
  std::uint16_t extra = 0;
  std::uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff.get(), TIFFTAG_EXTRASAMPLES, &extra, &kinds) == 1 && extra > 0) layout.alpha = kinds[0];
  return tiff;
}

Error unusual(const Layout& layout) {
  return undecodable("TIFF", fmt::format("{} samples of {} bits (format {}), photometric {}", layout.samples,
                                         layout.bits, layout.format, layout.photometric));
}

// --- samples ---------------------------------------------------------------------------------------------------------

// Widens packed samples to one value each.
void unpack(const std::uint8_t* in, std::size_t count, int bits, std::uint16_t* out, std::size_t step) {
  for (std::size_t i = 0; i < count; ++i, out += step) {
    if (bits == 16) {
      std::memcpy(out, in + 2 * i, 2);  // libtiff gives them in the order of this machine
    } else {
      const std::size_t bit = i * static_cast<std::size_t>(bits);
      *out =
          static_cast<std::uint16_t>(in[bit / 8] >> (8 - static_cast<std::size_t>(bits) - bit % 8) & ((1 << bits) - 1));
    }
  }
}

// All samples of an image, out of strips or tiles.
class SampleReader {
 public:
  SampleReader(const Tiff& tiff, const Layout& layout, std::size_t bytes)
      : tiff_(tiff), layout_(layout), bytes_(bytes) {}

  // [height, width, samples]
  std::vector<std::uint16_t> read() {
    const std::size_t pixels = std::size_t{layout_.width} * layout_.height;
    if (layout_.compression == COMPRESSION_NONE && TIFFScanlineSize64(tiff_.get()) * layout_.height > bytes_) {
      throw undecodable("TIFF", "cut off");
    }
    values_.resize(pixels * layout_.samples);
    const std::uint16_t planes = layout_.planes == PLANARCONFIG_SEPARATE ? layout_.samples : 1;
    for (std::uint16_t plane = 0; plane < planes; ++plane) {
      if (TIFFIsTiled(tiff_.get()) != 0) {
        read_tiles(plane);
      } else {
        read_rows(plane);
      }
    }
    return std::move(values_);
  }

 private:
  bool separate() const { return layout_.planes == PLANARCONFIG_SEPARATE; }

  void put(const std::uint8_t* row, std::uint32_t y, std::uint32_t x, std::uint32_t width, std::uint16_t plane) {
    const std::size_t pixel = std::size_t{y} * layout_.width + x;
    std::uint16_t* const out = values_.data() + pixel * layout_.samples + plane;
    if (separate()) {
      unpack(row, width, layout_.bits, out, layout_.samples);
    } else {
      unpack(row, std::size_t{width} * layout_.samples, layout_.bits, out, 1);
    }
  }

  void require(bool done) const {
    if (!done) throw undecodable("TIFF", "damaged, cut off, or of an unknown compression");
  }

  void read_rows(std::uint16_t plane) {
    std::vector<std::uint8_t> row(checked_size(TIFFScanlineSize64(tiff_.get()), 1));
    for (std::uint32_t y = 0; y < layout_.height; ++y) {
      require(TIFFReadScanline(tiff_.get(), row.data(), y, plane) == 1);
      put(row.data(), y, 0, layout_.width, plane);
    }
  }

  void read_tiles(std::uint16_t plane) {
    const auto width = field<std::uint32_t>(tiff_, TIFFTAG_TILEWIDTH);
    const auto height = field<std::uint32_t>(tiff_, TIFFTAG_TILELENGTH);
    require(width > 0 && height > 0);
    check_size(width, height, "TIFF");
    const std::size_t row_bytes = checked_size(TIFFTileRowSize64(tiff_.get()), 1);
    std::vector<std::uint8_t> tile(checked_size(TIFFTileSize64(tiff_.get()), height));
    for (std::uint32_t top = 0; top < layout_.height; top += height) {
      for (std::uint32_t left = 0; left < layout_.width; left += width) {
        require(TIFFReadTile(tiff_.get(), tile.data(), left, top, 0, plane) >= 0);
        for (std::uint32_t y = top; y < std::min(top + height, layout_.height); ++y) {
          put(tile.data() + (y - top) * row_bytes, y, left, std::min(width, layout_.width - left), plane);
        }
      }
    }
  }

  // What libtiff asks for; at least what `rows` rows of the image take.
  std::size_t checked_size(std::uint64_t bytes, std::uint32_t rows) const {
    constexpr std::uint64_t kMost = std::uint64_t{2} << 30;
    require(bytes > 0 && bytes <= kMost && rows > 0);
    return bytes;
  }

  const Tiff& tiff_;
  const Layout& layout_;
  std::size_t bytes_;  // of the file
  std::vector<std::uint16_t> values_;
};

// --- to an image -----------------------------------------------------------------------------------------------------

std::uint8_t to_byte(unsigned value, int bits) {  // of 16 bits the high byte, as Pillow has it
  return static_cast<std::uint8_t>(bits == 16 ? value >> 8 : bits == 8 ? value : value * 255 / ((1U << bits) - 1));
}

void grey(const Layout& layout, const std::vector<std::uint16_t>& values, Image& image) {
  const bool deep = layout.bits == 16;
  shape_image(image, layout.width, layout.height, deep ? 2 : 1,
              deep               ? Pixels::grey16
              : layout.bits == 1 ? Pixels::nearest
                                 : Pixels::plain,
              "TIFF");
  const std::size_t count = image.pixels.size() / static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t value = values[i * layout.samples];
    if (deep) {
      image.pixels[2 * i] = static_cast<std::uint8_t>(value & 255);
      image.pixels[2 * i + 1] = static_cast<std::uint8_t>(value >> 8);
    } else {
      const std::uint8_t shade = to_byte(value, layout.bits);
      image.pixels[i] = layout.photometric == PHOTOMETRIC_MINISWHITE ? 255 - shade : shade;
    }
  }
}

void palette(const Tiff& tiff, const Layout& layout, const std::vector<std::uint16_t>& values, Image& image) {
  std::array<std::uint16_t*, 3> maps{};
  if (TIFFGetField(tiff.get(), TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]) != 1) {
    throw undecodable("TIFF", "it has no palette");
  }
  shape_image(image, layout.width, layout.height, 3, Pixels::nearest, "TIFF");
  image.palette.assign(kPaletteBytes, 0);
  for (std::size_t i = 0; i < std::size_t{1} << layout.bits && i < 256; ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.palette[3 * i + c] = static_cast<std::uint8_t>(maps[c][i] >> 8);
  }
  for (std::size_t i = 0; i < image.pixels.size() / 3; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      image.pixels[3 * i + c] = static_cast<std::uint8_t>(maps[c][values[i * layout.samples]] >> 8);
    }
  }
}

// RGB, RGBA, CMYK, and grey with alpha.
void colours(const Layout& layout, const std::vector<std::uint16_t>& values, Image& image) {
  const bool cmyk = layout.photometric == PHOTOMETRIC_SEPARATED;
  const bool is_grey = layout.photometric == PHOTOMETRIC_MINISBLACK;
  const std::size_t stored = is_grey ? 1 : 3;
  const bool alpha = !cmyk && layout.samples > stored && layout.alpha != EXTRASAMPLE_UNSPECIFIED;
  shape_image(image, layout.width, layout.height, cmyk || alpha ? 4 : 3,
              cmyk    ? Pixels::cmyk
              : alpha ? Pixels::rgba
                      : Pixels::plain,
              "TIFF");
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixels.size() / channels; ++i) {
    const std::uint16_t* const in = &values[i * layout.samples];
    std::uint8_t* const out = &image.pixels[i * channels];
    for (std::size_t c = 0; c < channels; ++c) out[c] = to_byte(in[is_grey ? (c < 3 ? 0 : 1) : c], layout.bits);
    if (!alpha || layout.alpha != EXTRASAMPLE_ASSOCALPHA || out[3] == 0 || out[3] == 255) continue;
    for (std::size_t c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>(std::min(255, out[c] * 255 / out[3]));
  }
}

// By libtiff's own conversion, for colours that are stored as lightness and difference.
void converted(const Tiff& tiff, const Layout& layout, Image& image) {
  std::vector<std::uint32_t> pixels(std::size_t{layout.width} * layout.height);
  if (TIFFReadRGBAImageOriented(tiff.get(), layout.width, layout.height, pixels.data(), layout.orientation, 1) != 1) {
    throw undecodable("TIFF", "damaged, cut off, or of an unknown compression");
  }
  shape_image(image, layout.width, layout.height, 3, Pixels::plain, "TIFF");
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    image.pixels[3 * i] = TIFFGetR(pixels[i]);
    image.pixels[3 * i + 1] = TIFFGetG(pixels[i]);
    image.pixels[3 * i + 2] = TIFFGetB(pixels[i]);
  }
}

// As it is to be looked at: Pillow turns TIFF files, and no others.
Image upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool turned = orientation >= 5;
  const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{turned ? image.height : image.width,
            turned ? image.width : image.height,
            image.channels,
            std::vector<std::uint8_t>(image.pixels.size()),
            image.kind,
            image.palette};
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      int from_x = turned ? y : x, from_y = turned ? x : y;
      if (mirrored) from_x = image.width - 1 - from_x;
      if (flipped) from_y = image.height - 1 - from_y;
      std::memcpy(
          &out.pixels[static_cast<std::size_t>((std::ptrdiff_t{y} * out.width + x) * image.channels)],
          &image.pixels[static_cast<std::size_t>((std::ptrdiff_t{from_y} * image.width + from_x) * image.channels)],
          static_cast<std::size_t>(image.channels));
    }
  }
  return out;
}

void decode_tiff(ImageBytes bytes, int /*short_side*/, Image& image) {
  Memory memory{bytes};
  Layout layout;
  const Tiff tiff = open_tiff(memory, layout);
  if (layout.bits >= 8) check_claim(layout.width, layout.height, bytes, "TIFF");  // of a fax all is white
  const bool small = layout.bits == 1 || layout.bits == 2 || layout.bits == 4;
  const bool whole = layout.bits == 8 || layout.bits == 16;
  if (layout.format != SAMPLEFORMAT_UINT || !(small || whole) || layout.samples < 1 || layout.samples > 6) {
    throw unusual(layout);
  }
  const bool one = layout.samples == 1 || (layout.samples == 2 && layout.alpha == EXTRASAMPLE_UNSPECIFIED);
  const auto read = [&] { return SampleReader(tiff, layout, bytes.size()).read(); };
  if (layout.photometric == PHOTOMETRIC_YCBCR && layout.bits == 8 && layout.samples == 3) {
    converted(tiff, layout, image);
  } else if (layout.photometric <= PHOTOMETRIC_MINISBLACK && one) {
    grey(layout, read(), image);
  } else if (layout.photometric == PHOTOMETRIC_PALETTE && one && layout.bits <= 8) {
    palette(tiff, layout, read(), image);
  } else if ((layout.photometric == PHOTOMETRIC_RGB && layout.samples >= 3 && whole) ||
             (layout.photometric == PHOTOMETRIC_SEPARATED && layout.samples >= 4 && whole) ||
             (layout.photometric == PHOTOMETRIC_MINISBLACK && layout.samples == 2 && layout.bits == 8)) {
    colours(layout, read(), image);
  } else {
    throw unusual(layout);
  }
  image = upright(std::move(image), layout.orientation);
}

}  // namespace

ImageFormatRow tiff_format() {
  return {.format = ImageFormat::tiff,
          .name = "TIFF",
          .extension = "tif",
          .matches =
              [](ImageBytes bytes) {
                return starts_with(bytes, {"II*\0", 4}) || starts_with(bytes, {"MM\0*", 4}) ||
                       starts_with(bytes, {"II+\0", 4}) || starts_with(bytes, {"MM\0+", 4});
              },
          .decode = decode_tiff,
          .probe = [](ImageBytes bytes) -> ImageSize {
            Memory memory{bytes};
            Layout layout;
            const Tiff tiff = open_tiff(memory, layout);
            const bool turned = layout.orientation >= 5 && layout.orientation <= 8;
            return {static_cast<int>(turned ? layout.height : layout.width),
                    static_cast<int>(turned ? layout.width : layout.height)};
          }};
}

}  // namespace clip_hpc
