#include "data/augment/operations/hue.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kPixelsAtOnce = 512;

struct HsvBlock {
  std::array<std::uint8_t, kPixelsAtOnce> hue, saturation;
};

// Types and order of each step are Pillow's: hue and saturation are floats, most sums are in double precision.
CLIP_HPC_VECTOR_CLONES
void to_hsv(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue, std::size_t count,
            HsvBlock& out) {
  for (std::size_t i = 0; i < count; ++i) {
    const int r = red[i], g = green[i], b = blue[i];
    const int most = std::max(r, std::max(g, b)), least = std::min(r, std::min(g, b));
    const float range = most == least ? 1.0F : static_cast<float>(most - least);
    const float s = range / static_cast<float>(most == 0 ? 1 : most);
    const float rc = static_cast<float>(most - r) / range;
    const float gc = static_cast<float>(most - g) / range;
    const float bc = static_cast<float>(most - b) / range;
    const float of_red = bc - gc;
    const auto of_green = static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc));
    const auto of_blue = static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
    float h = g == most ? of_green : of_blue;
    h = r == most ? of_red : h;
    double turned = static_cast<double>(h) / 6.0 + 1.0;  // 5/6 to 2
    turned = turned >= 1.0 ? turned - 1.0 : turned;
    h = static_cast<float>(turned);
    const int hue = static_cast<int>(static_cast<double>(h) * 255.0);
    const int saturation = static_cast<int>(static_cast<double>(s) * 255.0);
    out.hue[i] = static_cast<std::uint8_t>(most == least ? 0 : hue);
    out.saturation[i] = static_cast<std::uint8_t>(most == least ? 0 : saturation);
  }
}

struct HueParts {
  std::array<std::uint8_t, 256> sixth{};  // of the circle
  std::array<float, 256> rest{};          // within it
  HueParts() {
    for (int hue = 0; hue < 256; ++hue) {
      const double place = static_cast<double>(static_cast<float>(hue)) * 6.0 / 255.0;
      const int whole = static_cast<int>(std::floor(place));
      sixth[static_cast<std::size_t>(hue)] = static_cast<std::uint8_t>(whole % 6);
      rest[static_cast<std::size_t>(hue)] = static_cast<float>(place - static_cast<double>(static_cast<float>(whole)));
    }
  }
};

struct HueBlock {  // of each pixel, from HueParts
  std::array<std::uint8_t, kPixelsAtOnce> sixth;
  std::array<float, kPixelsAtOnce> rest;
};

inline int rounded(double value) { return static_cast<int>(value + 0.5); }  // NOLINT: of what is not negative

CLIP_HPC_VECTOR_CLONES
void from_hsv(const HueBlock& hue, const HsvBlock& hsv, std::size_t count, std::uint8_t* red, std::uint8_t* green,
              std::uint8_t* blue) {
  for (std::size_t i = 0; i < count; ++i) {
    const int v = std::max(red[i], std::max(green[i], blue[i]));
    const double value = v, s = static_cast<float>(static_cast<double>(static_cast<float>(hsv.saturation[i])) / 255.0);
    const double f = hue.rest[i];
    const int p = rounded(value * (1.0 - s));
    const int q = rounded(value * (1.0 - s * f));
    const int t = rounded(value * (1.0 - s * (1.0 - f)));
    const int sixth = hue.sixth[i];
    int r = sixth == 0 || sixth == 5 ? v : p;
    r = sixth == 1 ? q : r;
    r = sixth == 4 ? t : r;
    int g = sixth == 1 || sixth == 2 ? v : p;
    g = sixth == 0 ? t : g;
    g = sixth == 3 ? q : g;
    int b = sixth == 3 || sixth == 4 ? v : p;
    b = sixth == 2 ? t : b;
    b = sixth == 5 ? q : b;
    const bool is_grey = hsv.saturation[i] == 0;
    red[i] = static_cast<std::uint8_t>(is_grey ? v : r);
    green[i] = static_cast<std::uint8_t>(is_grey ? v : g);
    blue[i] = static_cast<std::uint8_t>(is_grey ? v : b);
  }
}

}  // namespace

void apply_hue(const PixelPlanes& image, const OperationCall& call, OperationScratch& /*scratch*/) {
  if (image.channels != 3) return;
  static const HueParts kParts;
  const auto shift = static_cast<std::uint8_t>(static_cast<int>(call.value * 255));  // modulo 256, also below 0
  HsvBlock hsv;
  HueBlock hue;
  for (std::size_t begin = 0; begin < image.plane_bytes(); begin += kPixelsAtOnce) {
    const std::size_t count = std::min(kPixelsAtOnce, image.plane_bytes() - begin);
    std::uint8_t *const red = image.plane(0) + begin, *const green = image.plane(1) + begin,
                        *const blue = image.plane(2) + begin;
    to_hsv(red, green, blue, count, hsv);
    for (std::size_t i = 0; i < count; ++i) {
      const auto turned = static_cast<std::uint8_t>(hsv.hue[i] + shift);
      hue.sixth[i] = kParts.sixth[turned];
      hue.rest[i] = kParts.rest[turned];
    }
    from_hsv(hue, hsv, count, red, green, blue);
  }
}

}  // namespace clip_hpc
