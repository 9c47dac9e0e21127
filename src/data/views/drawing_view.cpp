#include "data/views/drawing_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "data/image/planes.hpp"

namespace clip_hpc {
namespace {

constexpr std::uint8_t kWhite = 255;

// The source with a white rim of one pixel (two at the far ends, for the second tap): coordinates clamped into it need
// no test per pixel.
struct Padded {
  int width, height;
  std::vector<std::uint8_t> pixels;

  explicit Padded(const ImageView& image)
      : width(image.width + 3),
        height(image.height + 3),
        pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                   static_cast<std::size_t>(image.channels),
               kWhite) {
    const std::size_t row_bytes = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
    for (int y = 0; y < image.height; ++y) {
      std::memcpy(pixels.data() + (std::ptrdiff_t{y + 1} * width + 1) * image.channels,
                  image.pixels + y * image.row_bytes, row_bytes);
    }
  }
};

constexpr int kUnitBits = 16;  // source coordinates are 16.16 fixed point
constexpr double kUnit = 1 << kUnitBits;

struct AffineMap {  // padded source coordinates of output (x, y): (u, v) = start + x * (ux, vx) + y * (uy, vy)
  std::int64_t u, v, ux, vx, uy, vy;
};

AffineMap draw_affine(const ImageView& image, const ViewSpec& spec, RandomStream& random) {
  const double scale = random.uniform(spec.scale_min, spec.scale_max);
  const double angle = random.uniform(-spec.rotation_deg, spec.rotation_deg) * std::numbers::pi / 180;
  const double shift_x = random.uniform(-spec.shift, spec.shift) * spec.size;
  const double shift_y = random.uniform(-spec.shift, spec.shift) * spec.size;
  const double aspect = spec.aspect_min < spec.aspect_max ? random.uniform(spec.aspect_min, spec.aspect_max) : 1.0;
  // Output pixel -> centred, unshifted, unrotated, unscaled -> source pixel.
  const double across = image.width / (spec.size * scale * std::sqrt(aspect));
  const double down = image.height / (spec.size * scale / std::sqrt(aspect));
  const double ux = std::cos(angle) * across, uy = std::sin(angle) * across;
  const double vx = -std::sin(angle) * down, vy = std::cos(angle) * down;
  const double x0 = 0.5 - spec.size / 2.0 - shift_x;
  const double y0 = 0.5 - spec.size / 2.0 - shift_y;
  const double u = ux * x0 + uy * y0 + image.width / 2.0 + 0.5;  // -0.5 for the pixel centre, +1 for the rim
  const double v = vx * x0 + vy * y0 + image.height / 2.0 + 0.5;
  const auto fixed = [](double value) { return static_cast<std::int64_t>(std::lround(value * kUnit)); };
  return {fixed(u), fixed(v), fixed(ux), fixed(vx), fixed(uy), fixed(vy)};
}

template <int kChannels>
void sample_affine(const Padded& source, const AffineMap& map, int size, std::uint8_t* out) {
  const std::int64_t last_u = std::int64_t{source.width - 2} << kUnitBits;
  const std::int64_t last_v = std::int64_t{source.height - 2} << kUnitBits;
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{source.width} * kChannels;
  const std::ptrdiff_t plane = std::ptrdiff_t{size} * size;
  for (int y = 0; y < size; ++y) {
    std::int64_t u = map.u + y * map.uy;
    std::int64_t v = map.v + y * map.vy;
    for (int x = 0; x < size; ++x, u += map.ux, v += map.vx) {
      const std::int64_t cu = std::clamp<std::int64_t>(u, 0, last_u);
      const std::int64_t cv = std::clamp<std::int64_t>(v, 0, last_v);
      const int fx = static_cast<int>((cu >> 8) & 255);
      const int fy = static_cast<int>((cv >> 8) & 255);
      const std::uint8_t* const at =
          source.pixels.data() + (cv >> kUnitBits) * row_bytes + (cu >> kUnitBits) * kChannels;
      for (int c = 0; c < kChannels; ++c) {
        const int above = at[c] * (256 - fx) + at[c + kChannels] * fx;
        const int below = at[row_bytes + c] * (256 - fx) + at[row_bytes + c + kChannels] * fx;
        out[c * plane + std::ptrdiff_t{y} * size + x] =
            static_cast<std::uint8_t>((above * (256 - fy) + below * fy + 0x8000) >> 16);
      }
    }
  }
}

void apply_gain(std::span<std::uint8_t> values, double gain) {
  const int factor = static_cast<int>(std::lround(gain * 256));
  for (std::uint8_t& value : values) {
    value = static_cast<std::uint8_t>(std::max(0, kWhite - (((kWhite - value) * factor + 128) >> 8)));
  }
}

}  // namespace

void make_drawing_view(const ImageView& original, const ViewSpec& spec, RandomStream& random,
                       std::span<std::uint8_t> out) {
  // Two taps cannot shrink by more than two: shrink first, with all pixels.
  ImageView image = original;
  Image plain, smaller;
  if (image.kind != Pixels::plain) {
    plain = to_plain(resize(image, image.width, image.height, Filter::bilinear));
    image = plain;
  }
  if (image.width > 2 * spec.size || image.height > 2 * spec.size) {
    smaller = resize(image, std::min(image.width, spec.size), std::min(image.height, spec.size), Filter::bilinear);
    image = smaller;
  }
  const AffineMap map = draw_affine(image, spec, random);
  const double gain = random.uniform(spec.gain_min, spec.gain_max);
  const bool grey = spec.grey_probability > 0 && random.chance(spec.grey_probability);
  const Padded source(image);
  const std::size_t plane = static_cast<std::size_t>(spec.size) * static_cast<std::size_t>(spec.size);
  if (image.channels == 1) {
    sample_affine<1>(source, map, spec.size, out.data());
    apply_gain(out.first(plane), gain);
    for (std::size_t c = 1; c < static_cast<std::size_t>(spec.channels); ++c) {
      std::memcpy(&out[c * plane], out.data(), plane);
    }
    return;
  }
  std::vector<std::uint8_t> wide(spec.channels == 1 ? 3 * plane : 0);  // RGB that ends as luma
  const std::span<std::uint8_t> planes = spec.channels == 1 ? std::span(wide) : out;
  sample_affine<3>(source, map, spec.size, planes.data());
  apply_gain(planes, gain);
  if (!grey && spec.channels == 3) return;
  for (std::size_t i = 0; i < plane; ++i) {
    const std::uint8_t value = luma(planes[i], planes[plane + i], planes[2 * plane + i]);
    for (std::size_t c = 0; c < static_cast<std::size_t>(spec.channels); ++c) out[c * plane + i] = value;
  }
}

}  // namespace clip_hpc
