#include "data/augment/pixel_map.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

// --- nearest: 16.16 fixed point, as Pillow's affine_fixed ---

std::int32_t fixed16(double value) { return static_cast<std::int32_t>(std::floor(value * 65536.0 + 0.5)); }

struct FixedMap {
  std::int32_t xx, xy, x0, yx, yy, y0;
};

CLIP_HPC_VECTOR_CLONES
void places_of_row(const FixedMap& map, std::int32_t x0, std::int32_t y0, std::int32_t width, std::int32_t height,
                   std::int32_t* places) {
  for (std::int32_t x = 0; x < width; ++x) {
    const std::int32_t from_x = (x0 + x * map.xx) >> 16, from_y = (y0 + x * map.yx) >> 16;
    const bool inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height);
    places[x] = inside ? from_y * width + from_x : width * height;
  }
}

// A row that comes from one row, shifted.
void shift_row(const PixelPlanes& image, int y, std::int32_t from_x, std::int32_t from_y, std::uint8_t fill,
               const OperationScratch& scratch) {
  const bool inside = from_y >= 0 && from_y < image.height;
  const std::int32_t begin = inside ? std::clamp(-from_x, 0, image.width) : image.width;  // of what is inside
  const std::int32_t end = inside ? std::clamp(image.width - from_x, begin, image.width) : image.width;
  const std::size_t stride = image.plane_bytes() + 1;
  for (int c = 0; c < image.channels; ++c) {
    std::uint8_t* const row = image.plane(c) + std::ptrdiff_t{y} * image.width;
    std::memset(row, fill, static_cast<std::size_t>(begin));
    if (begin < end) {
      std::memcpy(row + begin,
                  scratch.data() + static_cast<std::size_t>(c) * stride +
                      static_cast<std::size_t>(std::ptrdiff_t{from_y} * image.width + from_x + begin),
                  static_cast<std::size_t>(end - begin));
    }
    std::memset(row + end, fill, static_cast<std::size_t>(image.width - end));
  }
}

void sample_nearest(const PixelPlanes& image, const PixelMap& map, std::uint8_t fill, OperationScratch& scratch) {
  copy_with_fill(image, fill, scratch);
  const FixedMap fixed{fixed16(map.xx), fixed16(map.xy), fixed16(map.x0 + map.xx * 0.5 + map.xy * 0.5),
                       fixed16(map.yx), fixed16(map.yy), fixed16(map.y0 + map.yx * 0.5 + map.yy * 0.5)};
  std::vector<std::int32_t> places(static_cast<std::size_t>(image.width));
  const bool shifts = fixed.xx == 65536 && fixed.yx == 0;
  for (int y = 0; y < image.height; ++y) {
    const std::int32_t x0 = fixed.x0 + y * fixed.xy, y0 = fixed.y0 + y * fixed.yy;
    if (shifts) {
      shift_row(image, y, x0 >> 16, y0 >> 16, fill, scratch);
    } else {
      places_of_row(fixed, x0, y0, image.width, image.height, places.data());
      take_places(image, y, places.data(), scratch);
    }
  }
}

// --- bilinear and bicubic: double precision, the channels of a pixel side by side in one vector ---

using Four = double __attribute__((vector_size(32)));
using FourInts = std::int32_t __attribute__((vector_size(16)));

constexpr int kRim = 2;  // of pixels that repeat the outermost ones: taps need no test

struct Interleaved {  // [height + 2 kRim, width + 2 kRim, 4]
  const std::uint8_t* pixels;
  std::ptrdiff_t row_bytes;
};

Interleaved interleave(const PixelPlanes& image, OperationScratch& scratch) {
  const int width = image.width + 2 * kRim, height = image.height + 2 * kRim;
  scratch.resize(4 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  for (int y = 0; y < height; ++y) {
    const std::ptrdiff_t from = std::ptrdiff_t{std::clamp(y - kRim, 0, image.height - 1)} * image.width;
    const std::uint8_t *const red = image.plane(0) + from, *const green = image.plane(image.channels / 2) + from,
                              *const blue = image.plane(image.channels - 1) + from;
    std::uint8_t* const row = scratch.data() + 4 * std::ptrdiff_t{y} * width;
    for (std::ptrdiff_t x = 0; x < image.width; ++x) {
      std::uint8_t* const pixel = row + 4 * (x + kRim);
      pixel[0] = red[x], pixel[1] = green[x], pixel[2] = blue[x], pixel[3] = 0;
    }
    for (int i = 0; i < kRim; ++i) {
      std::memcpy(row + 4 * i, row + 4 * kRim, 4);
      std::memcpy(row + 4 * (width - 1 - i), row + 4 * (width - 1 - kRim), 4);
    }
  }
  return {scratch.data(), 4 * std::ptrdiff_t{width}};
}

struct RowOut {
  std::uint8_t *red, *green, *blue;
  std::uint8_t fill;
};

// Four bytes as numbers: Pillow's formulas follow, with its order of sums.
#define CLIP_HPC_TAP(name, address)                                                                   \
  std::int32_t name##_bytes;                                                                          \
  std::memcpy(&name##_bytes, address, 4);                                                             \
  const FourInts name##_all = {name##_bytes, name##_bytes, name##_bytes, name##_bytes};               \
  const FourInts name##_ints = (name##_all >> FourInts{0, 8, 16, 24}) & FourInts{255, 255, 255, 255}; \
  const Four name = __builtin_convertvector(name##_ints, Four)

CLIP_HPC_VECTOR_CLONES
void bilinear_row(const PixelMap& map, int y, int width, int height, const Interleaved& source, const RowOut& out) {
  const double centre_y = y + 0.5;
  for (int x = 0; x < width; ++x) {
    const double centre_x = x + 0.5;
    double from_x = map.xx * centre_x + map.xy * centre_y + map.x0;
    double from_y = map.yx * centre_x + map.yy * centre_y + map.y0;
    if (!(from_x >= 0.0 && from_x < width && from_y >= 0.0 && from_y < height)) {
      out.red[x] = out.green[x] = out.blue[x] = out.fill;
      continue;
    }
    from_x -= 0.5;
    from_y -= 0.5;
    const double column = std::floor(from_x), row = std::floor(from_y);
    const double dx = from_x - column, dy = from_y - row;
    const std::uint8_t* const at = source.pixels + (static_cast<std::ptrdiff_t>(row) + kRim) * source.row_bytes +
                                   (static_cast<std::ptrdiff_t>(column) + kRim) * 4;
    CLIP_HPC_TAP(a, at);
    CLIP_HPC_TAP(b, at + 4);
    CLIP_HPC_TAP(c, at + source.row_bytes);
    CLIP_HPC_TAP(d, at + source.row_bytes + 4);
    const Four above = a + (b - a) * dx;
    const Four below = c + (d - c) * dx;
    const FourInts mixed = __builtin_convertvector(above + (below - above) * dy, FourInts);
    out.red[x] = static_cast<std::uint8_t>(mixed[0]);
    out.green[x] = static_cast<std::uint8_t>(mixed[1]);
    out.blue[x] = static_cast<std::uint8_t>(mixed[2]);
  }
}

#define CLIP_HPC_CUBIC(out, v1, v2, v3, v4, d) \
  out = (v2) + (d) * ((-(v1) + (v3)) + (d) * ((2 * ((v1) - (v2)) + (v3) - (v4)) + (d) * (-(v1) + (v2) - (v3) + (v4))))

CLIP_HPC_VECTOR_CLONES
void bicubic_row(const PixelMap& map, int y, int width, int height, const Interleaved& source, const RowOut& out) {
  const double centre_y = y + 0.5;
  for (int x = 0; x < width; ++x) {
    const double centre_x = x + 0.5;
    double from_x = map.xx * centre_x + map.xy * centre_y + map.x0;
    double from_y = map.yx * centre_x + map.yy * centre_y + map.y0;
    if (!(from_x >= 0.0 && from_x < width && from_y >= 0.0 && from_y < height)) {
      out.red[x] = out.green[x] = out.blue[x] = out.fill;
      continue;
    }
    from_x -= 0.5;
    from_y -= 0.5;
    const double column = std::floor(from_x), row = std::floor(from_y);
    const double dx = from_x - column, dy = from_y - row;
    const std::uint8_t* at = source.pixels + (static_cast<std::ptrdiff_t>(row) + kRim - 1) * source.row_bytes +
                             (static_cast<std::ptrdiff_t>(column) + kRim - 1) * 4;
    Four rows[4];
    for (Four& mixed : rows) {
      CLIP_HPC_TAP(a, at);
      CLIP_HPC_TAP(b, at + 4);
      CLIP_HPC_TAP(c, at + 8);
      CLIP_HPC_TAP(d, at + 12);
      CLIP_HPC_CUBIC(mixed, a, b, c, d, dx);
      at += source.row_bytes;
    }
    Four value;
    CLIP_HPC_CUBIC(value, rows[0], rows[1], rows[2], rows[3], dy);
    const Four least = {}, most = {255, 255, 255, 255};
    value = value < least ? least : value;
    value = value > most ? most : value;
    const FourInts mixed = __builtin_convertvector(value, FourInts);
    out.red[x] = static_cast<std::uint8_t>(mixed[0]);
    out.green[x] = static_cast<std::uint8_t>(mixed[1]);
    out.blue[x] = static_cast<std::uint8_t>(mixed[2]);
  }
}

void sample_smooth(const PixelPlanes& image, const PixelMap& map, Sampling sampling, std::uint8_t fill,
                   OperationScratch& scratch) {
  const Interleaved source = interleave(image, scratch);
  const auto one_row = sampling == Sampling::bilinear ? bilinear_row : bicubic_row;
  for (int y = 0; y < image.height; ++y) {
    const std::ptrdiff_t at = std::ptrdiff_t{y} * image.width;
    const RowOut out{image.plane(0) + at, image.plane(image.channels / 2) + at, image.plane(image.channels - 1) + at,
                     fill};  // grey: three times the same plane
    one_row(map, y, image.width, image.height, source, out);
  }
}

}  // namespace

void copy_with_fill(const PixelPlanes& image, std::uint8_t fill, OperationScratch& scratch) {
  const std::size_t plane = image.plane_bytes();
  scratch.resize((plane + 1) * static_cast<std::size_t>(image.channels));
  for (int c = 0; c < image.channels; ++c) {
    std::uint8_t* const copy = scratch.data() + static_cast<std::size_t>(c) * (plane + 1);
    std::memcpy(copy, image.plane(c), plane);
    copy[plane] = fill;
  }
}

void take_places(const PixelPlanes& image, int y, const std::int32_t* places, const OperationScratch& scratch) {
  for (int c = 0; c < image.channels; ++c) {
    const std::uint8_t* const source = scratch.data() + static_cast<std::size_t>(c) * (image.plane_bytes() + 1);
    std::uint8_t* const row = image.plane(c) + std::ptrdiff_t{y} * image.width;
    for (int x = 0; x < image.width; ++x) row[x] = source[places[x]];
  }
}

void sample_affine_map(const PixelPlanes& image, const PixelMap& map, Sampling sampling, std::uint8_t fill,
                       OperationScratch& scratch) {
  if (sampling == Sampling::nearest) {
    sample_nearest(image, map, fill, scratch);
  } else {
    sample_smooth(image, map, sampling, fill, scratch);
  }
}

}  // namespace clip_hpc
