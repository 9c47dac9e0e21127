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

// --- bilinear and bicubic: double precision ---

struct RowTaps {  // of each pixel of a row: places of the taps, and how far behind the middle ones it lies
  std::vector<std::int32_t> columns[4], rows[4];
  std::vector<double> dx, dy;
  std::vector<std::uint8_t> inside;
  explicit RowTaps(std::size_t width) : dx(width), dy(width), inside(width) {
    for (auto& one : columns) one.resize(width);
    for (auto& one : rows) one.resize(width);
  }
};

CLIP_HPC_VECTOR_CLONES
void find_taps(const PixelMap& map, int y, std::int32_t width, std::int32_t height, int taps, RowTaps& out) {
  const double centre_y = y + 0.5;
  const std::int32_t first = taps == 4 ? -1 : 0;
  std::int32_t* const columns[4] = {out.columns[0].data(), out.columns[1].data(), out.columns[2].data(),
                                    out.columns[3].data()};
  std::int32_t* const rows[4] = {out.rows[0].data(), out.rows[1].data(), out.rows[2].data(), out.rows[3].data()};
  double *const dx = out.dx.data(), *const dy = out.dy.data();
  std::uint8_t* const is_inside = out.inside.data();
  for (std::int32_t x = 0; x < width; ++x) {
    const double centre_x = x + 0.5;
    double from_x = map.xx * centre_x + map.xy * centre_y + map.x0;
    double from_y = map.yx * centre_x + map.yy * centre_y + map.y0;
    const bool inside = (from_x >= 0.0) & (from_x < width) & (from_y >= 0.0) & (from_y < height);
    is_inside[x] = inside ? 1 : 0;
    from_x = inside ? from_x - 0.5 : 0.0;
    from_y = inside ? from_y - 0.5 : 0.0;
    const double column = std::floor(from_x), row = std::floor(from_y);
    dx[x] = from_x - column;
    dy[x] = from_y - row;
    for (int tap = 0; tap < taps; ++tap) {
      columns[tap][x] = std::clamp(static_cast<std::int32_t>(column) + first + tap, 0, width - 1);
      rows[tap][x] = std::clamp(static_cast<std::int32_t>(row) + first + tap, 0, height - 1) * width;
    }
  }
}

inline double between(double a, double b, double d) { return a + (b - a) * d; }

inline double cubic(double v1, double v2, double v3, double v4, double d) {
  const double p2 = -v1 + v3;
  const double p3 = 2 * (v1 - v2) + v3 - v4;
  const double p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

constexpr std::size_t kChunk = 64;  // pixels whose taps are gathered before they are mixed

CLIP_HPC_VECTOR_CLONES
void mix_bilinear(const float (*taps)[kChunk], const double* dx, const double* dy, const std::uint8_t* inside,
                  std::uint8_t fill, std::uint8_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const double above = between(static_cast<double>(taps[0][i]), static_cast<double>(taps[1][i]), dx[i]);
    const double below = between(static_cast<double>(taps[2][i]), static_cast<double>(taps[3][i]), dx[i]);
    const int value = static_cast<int>(between(above, below, dy[i]));
    out[i] = static_cast<std::uint8_t>(inside[i] != 0 ? value : fill);
  }
}

CLIP_HPC_VECTOR_CLONES
void mix_bicubic(const float (*taps)[kChunk], const double* dx, const double* dy, const std::uint8_t* inside,
                 std::uint8_t fill, std::uint8_t* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    double v[4];
    for (std::size_t row = 0; row < 4; ++row) {
      v[row] = cubic(static_cast<double>(taps[4 * row][i]), static_cast<double>(taps[4 * row + 1][i]),
                     static_cast<double>(taps[4 * row + 2][i]), static_cast<double>(taps[4 * row + 3][i]), dx[i]);
    }
    double mixed = cubic(v[0], v[1], v[2], v[3], dy[i]);
    mixed = mixed < 0.0 ? 0.0 : mixed;
    mixed = mixed > 255.0 ? 255.0 : mixed;
    out[i] = static_cast<std::uint8_t>(inside[i] != 0 ? static_cast<int>(mixed) : fill);
  }
}

void sample_smooth(const PixelPlanes& image, const PixelMap& map, std::size_t taps, std::uint8_t fill,
                   OperationScratch& scratch) {
  copy_with_fill(image, fill, scratch);
  const auto width = static_cast<std::size_t>(image.width);
  RowTaps found(width);
  float gathered[16][kChunk];
  for (int y = 0; y < image.height; ++y) {
    find_taps(map, y, image.width, image.height, static_cast<int>(taps), found);
    for (int c = 0; c < image.channels; ++c) {
      const std::uint8_t* const source = scratch.data() + static_cast<std::size_t>(c) * (image.plane_bytes() + 1);
      std::uint8_t* const out = image.plane(c) + static_cast<std::size_t>(y) * width;
      for (std::size_t begin = 0; begin < width; begin += kChunk) {
        const std::size_t count = std::min(kChunk, width - begin);
        for (std::size_t row = 0; row < taps; ++row) {
          for (std::size_t column = 0; column < taps; ++column) {
            float* const into = gathered[row * taps + column];
            const std::int32_t* const rows = found.rows[row].data() + begin;
            const std::int32_t* const columns = found.columns[column].data() + begin;
            for (std::size_t i = 0; i < count; ++i) into[i] = source[rows[i] + columns[i]];
          }
        }
        const auto mix = taps == 2 ? mix_bilinear : mix_bicubic;
        mix(gathered, found.dx.data() + begin, found.dy.data() + begin, found.inside.data() + begin, fill, out + begin,
            count);
      }
    }
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
    sample_smooth(image, map, sampling == Sampling::bilinear ? 2 : 4, fill, scratch);
  }
}

}  // namespace clip_hpc
