#include "clip_hpc/data/views/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr std::uint8_t kWhite = 255;

std::uint8_t luma(int red, int green, int blue) {  // Pillow's convert("L")
  return static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

// [h, w, c] -> [channels, h, w]
void write_planes(const Image& image, int channels, std::span<std::uint8_t> out) {
  const std::size_t plane = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  const std::uint8_t* const in = image.pixels.data();
  if (image.channels == 1) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) std::memcpy(&out[c * plane], in, plane);
  } else if (channels == 1) {
    for (std::size_t i = 0; i < plane; ++i) out[i] = luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
  } else {
    std::uint8_t *const red = out.data(), *const green = red + plane, *const blue = green + plane;
    for (std::size_t i = 0; i < plane; ++i) {
      red[i] = in[3 * i];
      green[i] = in[3 * i + 1];
      blue[i] = in[3 * i + 2];
    }
  }
}

Image middle_of(const Image& image, int size) {
  const int from = (image.width - size) / 2;
  Image middle{size, size, image.channels, {}};
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{image.width} * image.channels;
  for (int y = from; y < from + size; ++y) {
    const auto row = image.pixels.begin() + y * row_bytes + std::ptrdiff_t{from} * image.channels;
    middle.pixels.insert(middle.pixels.end(), row, row + std::ptrdiff_t{size} * image.channels);
  }
  return middle;
}

void flip_rows(Image& image) {
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  const std::size_t width = static_cast<std::size_t>(image.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    std::uint8_t* const row = image.pixels.data() + y * width * channels;
    for (std::size_t x = 0; x < width / 2; ++x) {
      std::swap_ranges(row + x * channels, row + (x + 1) * channels, row + (width - 1 - x) * channels);
    }
  }
}

// torchvision's RandomResizedCrop: ten tries for a rectangle, then the largest central one of an allowed ratio.
ImageView random_crop(const ImageView& image, const ViewSpec& spec, RandomStream& random) {
  const double area = static_cast<double>(image.width) * image.height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(spec.scale_min, spec.scale_max);
    const double aspect = std::exp(random.uniform(std::log(spec.aspect_min), std::log(spec.aspect_max)));
    const int width = static_cast<int>(std::nearbyint(std::sqrt(target * aspect)));
    const int height = static_cast<int>(std::nearbyint(std::sqrt(target / aspect)));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const auto top = random.below(static_cast<std::uint32_t>(image.height - height + 1));
    const auto left = random.below(static_cast<std::uint32_t>(image.width - width + 1));
    return image.crop(static_cast<int>(left), static_cast<int>(top), width, height);
  }
  const double aspect = static_cast<double>(image.width) / image.height;
  int width = image.width;
  int height = image.height;
  if (aspect < spec.aspect_min) height = static_cast<int>(std::nearbyint(width / spec.aspect_min));
  if (aspect > spec.aspect_max) width = static_cast<int>(std::nearbyint(height * spec.aspect_max));
  width = std::clamp(width, 1, image.width);
  height = std::clamp(height, 1, image.height);
  return image.crop((image.width - width) / 2, (image.height - height) / 2, width, height);
}

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

void drawing_view(const ImageView& original, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out) {
  // Two taps cannot shrink by more than two: shrink first, with all pixels.
  ImageView image = original;
  Image smaller;
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

}  // namespace

std::vector<std::string> view_names() {
  return {"eval",      "eval_longest", "eval_squash", "resize",        "crop",
          "crop_half", "crop_flip",    "drawing",     "drawing_strong"};
}

ViewSpec parse_view(const std::string& name, int size) {
  if (size < 1 || size > 16384) throw input_error("a view of {} pixels a side is not possible: use 1 to 16384", size);
  ViewSpec spec;
  spec.name = name;
  spec.size = size;
  const auto crop = [&](double smallest, double flip) {
    spec.kind = ViewSpec::Kind::crop;
    spec.scale_min = smallest;
    spec.aspect_min = 3.0 / 4;
    spec.aspect_max = 4.0 / 3;
    spec.flip_probability = flip;
  };
  const auto drawing = [&](double scale_min, double scale_max, double rotation_deg, double gain_min, double gain_max) {
    spec.kind = ViewSpec::Kind::affine;
    spec.scale_min = scale_min;
    spec.scale_max = scale_max;
    spec.rotation_deg = rotation_deg;
    spec.shift = 0.08;
    spec.gain_min = gain_min;
    spec.gain_max = gain_max;
  };
  if (name == "eval") {
    spec.mode = ResizeMode::shortest;
  } else if (name == "eval_longest") {
    spec.mode = ResizeMode::longest;
  } else if (name == "eval_squash") {
    spec.mode = ResizeMode::squash;
    spec.kept_side = 0.875;
  } else if (name == "resize") {
    spec.mode = ResizeMode::squash;
  } else if (name == "crop") {
    crop(0.9, 0);
  } else if (name == "crop_half") {
    crop(0.5, 0);
  } else if (name == "crop_flip") {
    crop(0.08, 0.5);
  } else if (name == "drawing") {
    drawing(0.85, 1.15, 8, 0.6, 1.0);  // black ink becomes grey of 0 to 0.4
  } else if (name == "drawing_strong") {
    drawing(0.75, 1.1, 20, 0.8, 1.1);
    spec.aspect_min = 0.9;
    spec.aspect_max = 1.1;
    spec.grey_probability = 0.2;
  } else {
    throw input_error("view \"{}\" is unknown: use one of {}", name, fmt::join(view_names(), ", "));
  }
  return spec;
}

void apply_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out) {
  if (out.size() != spec.bytes()) throw internal_error("a view of {} bytes into {} bytes", spec.bytes(), out.size());
  if (image.width < 1 || image.height < 1) throw input_error("cannot make a view of an empty image");
  switch (spec.kind) {
    case ViewSpec::Kind::eval: {
      const int side = static_cast<int>(std::lround(spec.size / spec.kept_side));
      Image resized = eval_transform(image, side, spec.mode, spec.filter);
      if (side > spec.size) resized = middle_of(resized, spec.size);
      return write_planes(resized, spec.channels, out);
    }
    case ViewSpec::Kind::crop: {
      Image cropped = resize(random_crop(image, spec, random), spec.size, spec.size, spec.filter);
      if (spec.flip_probability > 0 && random.chance(spec.flip_probability)) flip_rows(cropped);
      return write_planes(cropped, spec.channels, out);
    }
    case ViewSpec::Kind::affine:
      return drawing_view(image, spec, random, out);
  }
}

}  // namespace clip_hpc
