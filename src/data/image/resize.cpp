#include "clip_hpc/data/image/resize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/vector_clones.hpp"
#include "data/image/resize_kinds.hpp"
#include "data/image/taps.hpp"

namespace clip_hpc {
namespace {

constexpr int kStripRows = 16;  // rows that are worked on side by side: one vector register, or two

// sums[n] += source[n] * weight, for n values. Whole-number sums: their order, and so the width of vectors, is free.
CLIP_HPC_VECTOR_CLONES
void add_weighted(const std::uint8_t* source, int weight, int n, int* sums) {
  for (int i = 0; i < n; ++i) sums[i] += source[i] * weight;
}

CLIP_HPC_VECTOR_CLONES
void store_clipped(const int* sums, int n, std::uint8_t* out) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kPrecisionBits, 0, 255));
}

// One output value of 16 rows: strip [values, 16] holds the inputs, `step` values apart.
CLIP_HPC_VECTOR_CLONES
void filter_strip(const std::uint8_t* strip, std::ptrdiff_t step, const int* weights, int count, std::uint8_t* out) {
  int sums[kStripRows];
  for (int r = 0; r < kStripRows; ++r) sums[r] = 1 << (kPrecisionBits - 1);
  for (int i = 0; i < count; ++i, strip += step) {
    for (int r = 0; r < kStripRows; ++r) sums[r] += strip[r] * weights[i];
  }
  for (int r = 0; r < kStripRows; ++r)
    out[r] = static_cast<std::uint8_t>(std::clamp(sums[r] >> kPrecisionBits, 0, 255));
}

// [rows, values] -> [values, rows], with 16 places a row of the narrow side.
CLIP_HPC_VECTOR_CLONES
void transpose_in(const std::uint8_t* in, std::ptrdiff_t row_bytes, int rows, int values, std::uint8_t* strip) {
  for (int r = 0; r < rows; ++r, in += row_bytes) {
    for (int v = 0; v < values; ++v) strip[std::ptrdiff_t{v} * kStripRows + r] = in[v];
  }
}

CLIP_HPC_VECTOR_CLONES
void transpose_out(const std::uint8_t* strip, int rows, int values, std::uint8_t* out) {
  for (int r = 0; r < rows; ++r, out += values) {
    for (int v = 0; v < values; ++v) out[v] = strip[std::ptrdiff_t{v} * kStripRows + r];
  }
}

// Sixteen rows at a time, turned on their side, so that neighbours in memory share a weight.
void horizontal_pass(const ImageView& in, int first_row, const Taps& taps, Image& out) {
  const int channels = in.channels;
  const int in_values = in.width * channels, out_values = out.width * channels;
  std::vector<std::uint8_t> strip(static_cast<std::size_t>(in_values) * kStripRows);
  std::vector<std::uint8_t> filtered(static_cast<std::size_t>(out_values) * kStripRows);
  for (int y = 0; y < out.height; y += kStripRows) {
    const int rows = std::min(kStripRows, out.height - y);
    transpose_in(in.pixels + (y + first_row) * in.row_bytes, in.row_bytes, rows, in_values, strip.data());
    const int* weights = taps.weights.data();
    for (int x = 0; x < out.width; ++x, weights += taps.stride) {
      const auto column = static_cast<std::size_t>(x);
      for (int c = 0; c < channels; ++c) {
        filter_strip(strip.data() + (std::ptrdiff_t{taps.first[column]} * channels + c) * kStripRows,
                     std::ptrdiff_t{channels} * kStripRows, weights, taps.count[column],
                     filtered.data() + (std::ptrdiff_t{x} * channels + c) * kStripRows);
      }
    }
    transpose_out(filtered.data(), rows, out_values, out.pixels.data() + std::ptrdiff_t{y} * out_values);
  }
}

void vertical_pass(const ImageView& in, int first_row, const Taps& taps, Image& out) {
  const int row_values = out.width * out.channels;
  std::vector<int> sums(static_cast<std::size_t>(row_values));
  for (int y = 0; y < out.height; ++y) {
    std::ranges::fill(sums, 1 << (kPrecisionBits - 1));
    const int* const weights = taps.weights.data() + std::ptrdiff_t{y} * taps.stride;
    const int first = taps.first[static_cast<std::size_t>(y)] - first_row;
    for (int i = 0; i < taps.count[static_cast<std::size_t>(y)]; ++i) {
      add_weighted(in.pixels + (first + i) * in.row_bytes, weights[i], row_values, sums.data());
    }
    store_clipped(sums.data(), row_values, out.pixels.data() + std::ptrdiff_t{y} * row_values);
  }
}

Image make_image(int width, int height, int channels) {
  return {width, height, channels,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                                    static_cast<std::size_t>(channels))};
}

Image copy_of(const ImageView& view) {
  Image copy = make_image(view.width, view.height, view.channels);
  const std::size_t row_bytes = static_cast<std::size_t>(view.width) * static_cast<std::size_t>(view.channels);
  for (int y = 0; y < view.height; ++y) {
    std::memcpy(copy.pixels.data() + static_cast<std::size_t>(y) * row_bytes, view.pixels + y * view.row_bytes,
                row_bytes);
  }
  return copy;
}

}  // namespace

// Found by trying 12,000 shapes on Pillow 13; the box has no say in it.
bool rows_come_first(const ImageView& image, int width, int height) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

Image resize_bytes(const ImageView& image, int width, int height, Filter filter, const Box& box, OutputRange columns,
                   OutputRange rows) {
  const bool sideways = width != image.width || box.left != 0 || box.right != image.width;
  const bool upright = height != image.height || box.top != 0 || box.bottom != image.height;
  const int out_width = columns.end - columns.begin;
  const int out_height = rows.end - rows.begin;
  Taps down;
  int first_row = rows.begin;
  int last_row = rows.end;
  if (upright) {
    down = make_taps(image.height, box.top, box.bottom, height, rows, filter);
    first_row = down.first.front();
    last_row = down.first.back() + down.count.back();
  }
  if (sideways && upright && rows_come_first(image, width, height)) {
    Image shortened = make_image(image.width, out_height, image.channels);
    vertical_pass(image.crop(0, first_row, image.width, last_row - first_row), first_row, down, shortened);
    Image out = make_image(out_width, out_height, image.channels);
    horizontal_pass(shortened, 0, make_taps(image.width, box.left, box.right, width, columns, filter), out);
    return out;
  }
  ImageView middle =
      image.crop(sideways ? 0 : columns.begin, first_row, sideways ? image.width : out_width, last_row - first_row);
  Image narrowed;
  if (sideways) {
    const Taps across = make_taps(image.width, box.left, box.right, width, columns, filter);
    narrowed = make_image(out_width, last_row - first_row, image.channels);
    horizontal_pass(image, first_row, across, narrowed);
    if (!upright) return narrowed;
    middle = narrowed;
  }
  if (!upright) return copy_of(middle);
  Image out = make_image(out_width, out_height, image.channels);
  vertical_pass(middle, first_row, down, out);
  return out;
}

namespace {

int round_half_to_even(double value) { return static_cast<int>(std::nearbyint(value)); }  // Python's round

// `fill` as a pixel of the image's own kind, as Pillow pads before it converts: a place in the palette, white or black
// where a pixel is one bit, a number of 16 bits.
std::array<std::uint8_t, 4> fill_pixel(const ImageView& image, std::uint8_t fill) {
  if (image.kind == Pixels::grey16) return {fill, 0};
  if (image.kind != Pixels::nearest) return {fill, fill, fill, fill};
  if (image.palette == nullptr) return {static_cast<std::uint8_t>(fill > 0 ? 255 : 0)};
  const std::uint8_t* const colour = image.palette + std::ptrdiff_t{3} * fill;
  return {colour[0], colour[1], colour[2]};
}

Image pad_to(const Image& image, int size, const std::array<std::uint8_t, 4>& fill) {
  Image out = make_image(size, size, image.channels);
  out.kind = image.kind;
  const auto channels = static_cast<std::size_t>(image.channels);
  if (std::all_of(fill.begin(), fill.begin() + image.channels, [&](std::uint8_t byte) { return byte == fill[0]; })) {
    std::ranges::fill(out.pixels, fill[0]);  // nearly always, and a pass of memset
  } else {
    for (std::size_t i = 0; i < out.pixels.size(); ++i) out.pixels[i] = fill[i % channels];
  }
  const int left = (size - image.width) / 2;
  const int top = (size - image.height) / 2;
  const int row_bytes = image.width * image.channels;
  for (int y = 0; y < image.height; ++y) {
    std::memcpy(out.pixels.data() + (std::ptrdiff_t{y + top} * size + left) * image.channels,
                image.pixels.data() + std::ptrdiff_t{y} * row_bytes, static_cast<std::size_t>(row_bytes));
  }
  return out;
}

}  // namespace

Image resize(const ImageView& image, int width, int height, Filter filter, const Box& box) {
  if (width < 1 || height < 1 || image.width < 1 || image.height < 1 || image.channels < 1 || image.channels > 4) {
    throw input_error("cannot resize {} x {} x {} to {} x {}", image.width, image.height, image.channels, width,
                      height);
  }
  if (!(box.left >= 0 && box.top >= 0 && box.right <= image.width && box.bottom <= image.height &&
        box.left < box.right && box.top < box.bottom)) {
    throw input_error("crop box ({}, {}, {}, {}) does not lie within an image of {} x {}", box.left, box.top, box.right,
                      box.bottom, image.width, image.height);
  }
  return resize_part(image, width, height, filter, box, {0, width}, {0, height});
}

Image resize(const ImageView& image, int width, int height, Filter filter) {
  return resize(image, width, height, filter,
                {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)});
}

ResizeMode parse_resize_mode(const std::string& name) {
  if (name == "shortest") return ResizeMode::shortest;
  if (name == "longest") return ResizeMode::longest;
  if (name == "squash") return ResizeMode::squash;
  throw input_error("resize mode \"{}\" is unknown: use shortest, longest or squash", name);
}

Filter parse_filter(const std::string& name) {
  if (name == "bicubic") return Filter::bicubic;
  if (name == "bilinear") return Filter::bilinear;
  throw input_error("interpolation \"{}\" is unknown: use bicubic or bilinear", name);
}

const char* name_of(ResizeMode mode) {
  return mode == ResizeMode::shortest ? "shortest" : mode == ResizeMode::longest ? "longest" : "squash";
}

const char* name_of(Filter filter) { return filter == Filter::bicubic ? "bicubic" : "bilinear"; }

Image eval_transform(const ImageView& image, int size, ResizeMode mode, Filter filter, std::uint8_t fill) {
  if (mode == ResizeMode::squash) return to_plain(resize(image, size, size, filter));
  if (image.width < 1 || image.height < 1) throw input_error("cannot resize an empty image");
  if (mode == ResizeMode::longest) {
    const double ratio = std::max(image.width, image.height) / static_cast<double>(size);
    return to_plain(pad_to(resize(image, std::max(1, round_half_to_even(image.width / ratio)),
                                  std::max(1, round_half_to_even(image.height / ratio)), filter),
                           size, fill_pixel(image, fill)));
  }
  const bool wide = image.width > image.height;
  const auto shorter = static_cast<double>(std::min(image.width, image.height));
  const int longer = static_cast<int>(size * static_cast<double>(std::max(image.width, image.height)) / shorter);
  const int width = wide ? longer : size;
  const int height = wide ? size : longer;
  const int left = round_half_to_even((width - size) / 2.0);
  const int top = round_half_to_even((height - size) / 2.0);
  return to_plain(resize_part(image, width, height, filter,
                              {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)},
                              {left, left + size}, {top, top + size}));
}

}  // namespace clip_hpc
