#include <algorithm>
#include <array>
#include <vector>

#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kFileHeaderBytes = 14;
enum Compression : std::uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

struct Bmp {
  ImageBytes bytes;
  std::int64_t width = 0, height = 0;
  bool upside_up = false;  // rows from the top
  std::uint32_t bits = 0, compression = kRaw, colours = 0;
  std::size_t palette_at = 0, entry_bytes = 4, pixels_at = 0;
  std::array<std::uint32_t, 4> masks{};  // red, green, blue, alpha

  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at + size > bytes.size()) throw undecodable("BMP", "cut off");
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint32_t{bytes[at + i]} << (8 * i);
    return value;
  }
};

void read_masks(Bmp& bmp, std::uint32_t header_bytes) {
  const std::size_t at = kFileHeaderBytes + 40;  // in longer headers their own fields, else behind the header
  for (std::size_t i = 0; i < 3; ++i) bmp.masks[i] = bmp.number(at + 4 * i, 4);
  if (header_bytes >= 56) bmp.masks[3] = bmp.number(at + 12, 4);
}

Bmp read_bmp_header(ImageBytes bytes) {
  Bmp bmp;
  bmp.bytes = bytes;
  const std::uint32_t header = bmp.number(kFileHeaderBytes, 4);
  bmp.palette_at = kFileHeaderBytes + header;
  if (header == 12) {  // OS/2
    bmp.width = bmp.number(18, 2);
    bmp.height = bmp.number(20, 2);
    bmp.bits = bmp.number(24, 2);
    bmp.entry_bytes = 3;
  } else if (header >= 40 && header <= 124) {
    bmp.width = static_cast<std::int32_t>(bmp.number(18, 4));
    bmp.height = static_cast<std::int32_t>(bmp.number(22, 4));
    bmp.upside_up = bmp.height < 0;
    bmp.height = bmp.upside_up ? -bmp.height : bmp.height;
    bmp.bits = bmp.number(28, 2);
    bmp.compression = bmp.number(30, 4);
    bmp.colours = bmp.number(46, 4);
    if (bmp.compression == kBitFields) read_masks(bmp, header);
  } else {
    throw undecodable("BMP", fmt::format("a header of {} bytes is unknown", header));
  }
  if (bmp.colours == 0 && bmp.bits <= 8) bmp.colours = 1U << bmp.bits;
  bmp.pixels_at = bmp.number(10, 4);
  if (bmp.pixels_at == bmp.palette_at && bmp.bits <= 8) bmp.pixels_at += bmp.entry_bytes * bmp.colours;
  check_size(bmp.width, bmp.height, "BMP");
  return bmp;
}

// --- colours out of a table ------------------------------------------------------------------------------------------

// Pillow's reading, down to runs that are longer than a row. One byte per pixel, rows as they are stored.
std::vector<std::uint8_t> run_lengths(const Bmp& bmp) {
  const auto total = static_cast<std::size_t>(bmp.width * bmp.height);
  const auto width = static_cast<std::size_t>(bmp.width);
  const bool nibbles = bmp.compression == kRle4;
  std::vector<std::uint8_t> data;
  std::size_t at = bmp.pixels_at, x = 0;
  const auto nibble = [&](std::uint8_t byte, std::size_t i) -> std::uint8_t {
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  };
  while (data.size() < total && at + 2 <= bmp.bytes.size()) {
    const std::size_t count = bmp.bytes[at];
    const std::uint8_t value = bmp.bytes[at + 1];
    at += 2;
    if (count > 0) {
      const std::size_t fits = std::min(count, width - std::min(x, width));
      for (std::size_t i = 0; i < fits; ++i) data.push_back(nibbles ? nibble(value, i) : value);
      x += fits;
    } else if (value == 0) {
      data.resize((data.size() + width - 1) / width * width);
      x = 0;
    } else if (value == 1) {
      break;
    } else if (value == 2) {
      const std::size_t skipped = bmp.number(at, 1) + bmp.number(at + 1, 1) * width;
      data.resize(data.size() + std::min(total - data.size(), skipped));
      at += 2;
      x = data.size() % width;
    } else {
      const std::size_t plain = std::min<std::size_t>(total - data.size(), value);
      const std::size_t stored = nibbles ? (plain + 1) / 2 : plain;
      bmp.number(at + stored - 1, 1);  // throws where it is not there
      for (std::size_t i = 0; i < plain; ++i) {
        data.push_back(nibbles ? nibble(bmp.bytes[at + i / 2], i) : bmp.bytes[at + i]);
      }
      x += value;
      at += stored;
      at += (at - bmp.pixels_at) % 2;
    }
  }
  if (data.size() < total) throw undecodable("BMP", "cut off");
  data.resize(total);
  return data;
}

std::vector<std::uint8_t> indices(const Bmp& bmp) {
  const auto stride = static_cast<std::size_t>((bmp.width * bmp.bits + 31) / 32 * 4);
  std::vector<std::uint8_t> data;
  data.reserve(static_cast<std::size_t>(bmp.width * bmp.height));
  const std::uint32_t per_byte = 8 / bmp.bits, mask = (1U << bmp.bits) - 1;
  for (std::int64_t y = 0; y < bmp.height; ++y) {
    const std::uint8_t* const row = bmp.bytes.data() + bmp.pixels_at + static_cast<std::size_t>(y) * stride;
    for (std::uint32_t x = 0; x < bmp.width; ++x) {
      data.push_back(static_cast<std::uint8_t>(row[x / per_byte] >> (8 - bmp.bits - x % per_byte * bmp.bits) & mask));
    }
  }
  return data;
}

// Blue, green, red of each index. is_grey: index i is grey i, or of two colours black and white.
std::vector<std::array<std::uint8_t, 3>> read_palette(const Bmp& bmp, bool& is_grey) {
  std::vector<std::array<std::uint8_t, 3>> palette(256);
  if (bmp.colours > 256) throw undecodable("BMP", fmt::format("a palette of {} colours", bmp.colours));
  is_grey = true;
  for (std::uint32_t i = 0; i < bmp.colours; ++i) {
    const std::uint8_t grey = static_cast<std::uint8_t>(bmp.colours == 2 ? 255 * i : i);
    for (std::size_t c = 0; c < 3; ++c) {
      palette[i][c] = static_cast<std::uint8_t>(bmp.number(bmp.palette_at + bmp.entry_bytes * i + c, 1));
      is_grey = is_grey && palette[i][c] == grey;
    }
  }
  return palette;
}

// --- pixels ----------------------------------------------------------------------------------------------------------

// Where red, green, blue and alpha are in a pixel, of the layouts that Pillow reads.
std::array<int, 4> byte_order(const Bmp& bmp) {
  using Masks = std::array<std::uint32_t, 4>;
  struct Layout {
    Masks masks;
    std::array<int, 4> order;  // byte of red, green, blue, alpha; -1: no alpha
  };
  static constexpr std::array kLayouts = std::to_array<Layout>({
      {{0xFF0000, 0xFF00, 0xFF, 0}, {2, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0}, {3, 2, 1, -1}},
      {{0xFF000000, 0xFF00, 0xFF, 0}, {3, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {3, 2, 1, 0}},
      {{0xFF, 0xFF00, 0xFF0000, 0xFF000000}, {0, 1, 2, 3}},
      {{0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {2, 1, 0, 3}},
      {{0xFF000000, 0xFF00, 0xFF, 0xFF0000}, {3, 1, 0, 2}},
      {{0, 0, 0, 0}, {2, 1, 0, 3}},
  });
  if (bmp.compression == kRaw) return {2, 1, 0, -1};
  for (const Layout& layout : kLayouts) {
    if (layout.masks == bmp.masks && (bmp.bits == 32 || layout.order == std::array{2, 1, 0, -1})) return layout.order;
  }
  throw undecodable("BMP", "an unusual layout of bits");
}

void true_colours(const Bmp& bmp, Image& image) {
  const auto pixel_bytes = static_cast<std::size_t>(bmp.bits / 8);
  const auto stride = static_cast<std::size_t>((bmp.width * bmp.bits + 31) / 32 * 4);
  const std::array<int, 4> order = bmp.bits == 16 ? std::array{-1, -1, -1, -1} : byte_order(bmp);
  const bool green_has_6 = bmp.masks[1] == 0x7E0;
  const bool alpha = order[3] >= 0;
  shape_image(image, bmp.width, bmp.height, alpha ? 4 : 3, alpha ? Pixels::rgba : Pixels::plain, "BMP");
  std::uint8_t* out = image.pixels.data();
  for (std::int64_t y = 0; y < bmp.height; ++y) {
    const std::uint8_t* in = bmp.bytes.data() + bmp.pixels_at + static_cast<std::size_t>(y) * stride;
    for (std::int64_t x = 0; x < bmp.width; ++x, in += pixel_bytes, out += image.channels) {
      if (bmp.bits == 16) {
        const unsigned pixel = in[0] + 256U * in[1];
        out[0] = static_cast<std::uint8_t>((pixel >> (green_has_6 ? 11 : 10) & 31) * 255 / 31);
        out[1] = static_cast<std::uint8_t>(green_has_6 ? (pixel >> 5 & 63) * 255 / 63 : (pixel >> 5 & 31) * 255 / 31);
        out[2] = static_cast<std::uint8_t>((pixel & 31) * 255 / 31);
      } else {
        for (int c = 0; c < image.channels; ++c) out[c] = in[order[static_cast<std::size_t>(c)]];
      }
    }
  }
}

void by_palette(const Bmp& bmp, Image& image) {
  bool is_grey = false;
  const auto palette = read_palette(bmp, is_grey);
  const bool one_bit = is_grey && bmp.colours == 2;
  const bool runs = bmp.compression == kRle8 || bmp.compression == kRle4;
  const std::vector<std::uint8_t> data = runs ? run_lengths(bmp) : indices(bmp);
  shape_image(image, bmp.width, bmp.height, is_grey ? 1 : 3, is_grey && !one_bit ? Pixels::plain : Pixels::nearest,
              "BMP");
  if (!is_grey) {
    for (const auto& colour : palette) image.palette.insert(image.palette.end(), {colour[2], colour[1], colour[0]});
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto& colour = palette[data[i]];
    if (is_grey) {
      image.pixels[i] = colour[0];
    } else {
      for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = colour[2 - c];
    }
  }
}

void turn_over(Image& image) {
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{image.width} * image.channels;
  for (int y = 0; y < image.height / 2; ++y) {
    const auto top = image.pixels.begin() + y * row_bytes;
    std::swap_ranges(top, top + row_bytes, image.pixels.begin() + (image.height - 1 - y) * row_bytes);
  }
}

void decode_bmp(ImageBytes bytes, int /*short_side*/, Image& image) {
  const Bmp bmp = read_bmp_header(bytes);
  check_claim(bmp.width, bmp.height, bytes, "BMP");
  const std::uint32_t bits = bmp.bits;
  const bool runs = (bmp.compression == kRle8 && bits == 8) || (bmp.compression == kRle4 && bits == 4);
  const bool table = bits == 1 || bits == 4 || bits == 8;
  const bool colours = bits == 16 || bits == 24 || bits == 32;
  if (!(runs || (table && bmp.compression == kRaw) ||
        (colours && (bmp.compression == kRaw || bmp.compression == kBitFields)))) {
    throw undecodable("BMP", fmt::format("{} bits per pixel, compression {}", bits, bmp.compression));
  }
  if (bits == 16 && bmp.compression == kBitFields && bmp.masks[1] != 0x7E0 && bmp.masks[1] != 0x3E0) {
    throw undecodable("BMP", "an unusual layout of bits");
  }
  const std::int64_t rows_bytes = (bmp.width * bits + 31) / 32 * 4 * bmp.height;
  if (!runs && static_cast<std::int64_t>(bmp.pixels_at) + rows_bytes > std::ssize(bytes)) {
    throw undecodable("BMP", "cut off");
  }
  if (table) {
    by_palette(bmp, image);
  } else {
    true_colours(bmp, image);
  }
  if (!bmp.upside_up) turn_over(image);
}

}  // namespace

ImageFormatRow bmp_format() {
  return {.format = ImageFormat::bmp,
          .name = "BMP",
          .extension = "bmp",
          .matches = [](ImageBytes bytes) { return starts_with(bytes, "BM") && bytes.size() > 26; },
          .decode = decode_bmp,
          .probe = [](ImageBytes bytes) -> ImageSize {
            const Bmp bmp = read_bmp_header(bytes);
            return {static_cast<int>(bmp.width), static_cast<int>(bmp.height)};
          }};
}

}  // namespace clip_hpc
