#include "clip_hpc/bench/bench_augment.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/sources/built_in/font_face.hpp"
#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {
namespace {

using PixelBytes = std::vector<std::uint8_t>;

PixelBytes planes_of(const Image& picture, int size) {
  const ViewSpec spec = parse_view("resize", size);
  PixelBytes planes(spec.bytes());
  RandomStream unused(0, Purpose::bench, 0);
  apply_view(picture, spec, unused, planes);
  return planes;
}

OperationCall shown_call(const OperationKind& kind, Sampling sampling = Sampling::nearest) {
  return {.kind = &kind, .value = kind.shown, .fill = 128, .sampling = sampling, .x = 0.4, .y = 0.6};
}

// Of this thread alone: other programs on the machine take nothing from a rate.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Once>
double rate_of(double seconds, const Once& once) {
  std::uint64_t done = 0;
  const double begin = cpu_seconds();
  while (cpu_seconds() - begin < seconds) once(done++);
  return static_cast<double>(done) / (cpu_seconds() - begin);
}

// In place, as in a view: making the pixels anew is not counted.
double operation_rate(double seconds, const PixelBytes& original, int size, const OperationCall& call) {
  std::vector<PixelBytes> images(8, original);
  OperationScratch scratch;
  double spent = 0;
  std::uint64_t done = 0;
  while (spent < seconds) {
    for (PixelBytes& image : images) std::ranges::copy(original, image.begin());
    const double begin = cpu_seconds();
    for (PixelBytes& image : images) apply_operation({image.data(), size, size, 3}, call, scratch);
    spent += cpu_seconds() - begin;
    done += images.size();
  }
  return static_cast<double>(done) / spent;
}

bool moves_pixels(const std::string& name) {
  return name.starts_with("shear") || name.starts_with("translate") || name == "rotate";
}

// --- the sheet ---

constexpr int kColumns = 8, kLabelHeight = 18, kGap = 4;
constexpr int kAdvance = 8, kLongestLabel = 24;  // pixels a letter, letters

void put_tile(Image& sheet, int left, int top, const PixelBytes& planes, int tile) {
  const auto plane = static_cast<std::size_t>(tile) * static_cast<std::size_t>(tile);
  for (int y = 0; y < tile; ++y) {
    std::uint8_t* out = sheet.pixels.data() + 3 * (std::ptrdiff_t{top + y} * sheet.width + left);
    for (int x = 0; x < tile; ++x) {
      const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(tile) + static_cast<std::size_t>(x);
      for (std::size_t c = 0; c < 3; ++c) *out++ = planes[c * plane + at];
    }
  }
}

void put_label(Image& sheet, int left, int top, const std::string& text, const FontFace& face) {
  constexpr int kBox = kLabelHeight;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    const auto character = static_cast<char32_t>(static_cast<unsigned char>(text[i]));
    const PixelBytes glyph = face.draw_in_line(character, {.size = kBox, .em = 0.7, .baseline = 0.75, .margin = 0});
    const int begin = (kBox - kAdvance) / 2;
    const int at = left + static_cast<int>(i) * kAdvance;
    if (at + kAdvance > sheet.width) return;
    for (int y = 0; y < kBox; ++y) {
      for (int x = 0; x < kAdvance; ++x) {
        std::uint8_t* const out = sheet.pixels.data() + 3 * (std::ptrdiff_t{top + y} * sheet.width + at + x);
        std::memset(out, glyph[static_cast<std::size_t>(y * kBox + begin + x)], 3);
      }
    }
  }
}

}  // namespace

Image augment_picture(int side) {
  Image image{side, side, 3, {}};
  image.pixels.reserve(3 * static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  for (int row = 0; row < side; ++row) {
    for (int column = 0; column < side; ++column) {
      const double x = static_cast<double>(column) / side, y = static_cast<double>(row) / side;
      double red = 90 + 60 * y, green = 150 + 40 * y, blue = 220 - 60 * y;  // a sky
      if (y > 0.62 + 0.05 * std::sin(9 * x)) red = 60 + 70 * x, green = 120 + 30 * std::sin(60 * x), blue = 50;
      if (std::hypot(x - 0.74, y - 0.24) < 0.13) red = 250, green = 210, blue = 70;
      if (std::abs(x - 0.32) < 0.17 && y > 0.38 && y < 0.76) red = 190, green = 60, blue = 50 + 30 * std::sin(90 * y);
      if (std::abs(x - 0.32) < 0.05 && y > 0.55 && y < 0.76) red = green = blue = 40;
      for (const double value : {red, green, blue}) {
        image.pixels.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
  return image;
}

std::vector<AugmentRate> bench_augment(int size, int source_side, double seconds) {
  const Image picture = augment_picture(source_side);
  const PixelBytes original = planes_of(picture, size);
  PixelBytes pixels(original.size());
  std::vector<AugmentRate> rates;
  const auto add = [&](const std::string& name, const OperationCall& call) {
    rates.push_back({name, operation_rate(seconds, original, size, call)});
  };
  for (const OperationKind& kind : operation_kinds()) {
    add(kind.name, shown_call(kind));
    if (!moves_pixels(kind.name)) continue;
    add(fmt::format("{}_bilinear", kind.name), shown_call(kind, Sampling::bilinear));
    add(fmt::format("{}_bicubic", kind.name), shown_call(kind, Sampling::bicubic));
  }
  for (const std::string& name : view_names(ViewUse::training)) {
    const ViewSpec spec = parse_view(name, size);
    rates.push_back({"view_" + name, rate_of(seconds, [&](std::uint64_t i) {
                       RandomStream random(1, Purpose::bench, i);
                       apply_view(picture, spec, random, pixels);
                     })});
  }
  return rates;
}

Image augment_sheet(const Image& picture, int tile, const std::filesystem::path& font) {
  if (!std::filesystem::exists(font)) {
    throw input_error("{} is not there, and the names need a font: name one with --font", font.native());
  }
  const FontLibrary library;
  const FontFace face(library, font);
  const std::vector<std::string> views = view_names(ViewUse::training);
  const int operations = static_cast<int>(operation_kinds().size());
  const int rows = (operations + kColumns - 1) / kColumns + static_cast<int>(views.size());
  const int step_x = std::max(tile, kLongestLabel * kAdvance) + kGap, step_y = tile + kLabelHeight + kGap;
  Image sheet{kColumns * step_x, rows * step_y, 3, {}};
  sheet.pixels.assign(3 * static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height), 255);
  const PixelBytes original = planes_of(picture, tile);
  OperationScratch scratch;
  int place = 0;
  for (const OperationKind& kind : operation_kinds()) {
    PixelBytes pixels = original;
    OperationCall call = shown_call(kind);
    const std::string name = kind.name;
    if (name.find("translate") != std::string::npos || name == "cutout") call.value *= tile / 224.0;
    apply_operation({pixels.data(), tile, tile, 3}, call, scratch);
    const int left = place % kColumns * step_x, top = place / kColumns * step_y;
    const bool has_value = std::string(kind.help) != "none";
    put_label(sheet, left, top, has_value ? fmt::format("{} {:.3g}", name, call.value) : name, face);
    put_tile(sheet, left, top + kLabelHeight, pixels, tile);
    ++place;
  }
  int row = (operations + kColumns - 1) / kColumns;
  for (const std::string& name : views) {
    const ViewSpec spec = parse_view(name, tile);
    put_label(sheet, 0, row * step_y, name, face);
    for (int i = 0; i < kColumns; ++i) {
      PixelBytes pixels(spec.bytes());
      RandomStream random(1, Purpose::bench, static_cast<std::uint64_t>(i));
      apply_view(picture, spec, random, pixels);
      put_tile(sheet, i * step_x, row * step_y + kLabelHeight, pixels, tile);
    }
    ++row;
  }
  return sheet;
}

}  // namespace clip_hpc
