#include "data/image/resize_kinds.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace clip_hpc {
namespace {

Image make_image(int width, int height, const ImageView& like) {
  return {width, height, like.channels,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                                    static_cast<std::size_t>(like.channels)),
          like.kind};
}

// --- nearest ---------------------------------------------------------------------------------------------------------

// The input of each output of a row, added up step by step as Pillow does: its rounding decides at borders.
std::vector<int> nearest_inputs(double begin, double end, int in_size, int out_size, OutputRange outputs) {
  const double step = (end - begin) / out_size;
  double at = begin + step * 0.5;
  std::vector<int> inputs;
  for (int out = 0; out < outputs.end; ++out, at += step) {
    if (out >= outputs.begin) inputs.push_back(std::clamp(static_cast<int>(at), 0, in_size - 1));
  }
  return inputs;
}

Image resize_nearest(const ImageView& image, int width, int height, const Box& box, OutputRange columns,
                     OutputRange rows) {
  const std::vector<int> across = nearest_inputs(box.left, box.right, image.width, width, columns);
  const std::vector<int> down = nearest_inputs(box.top, box.bottom, image.height, height, rows);
  Image out = make_image(columns.end - columns.begin, rows.end - rows.begin, image);
  std::uint8_t* to = out.pixels.data();
  for (const int y : down) {
    for (const int x : across) {
      std::memcpy(to, image.pixels + y * image.row_bytes + std::ptrdiff_t{x} * image.channels,
                  static_cast<std::size_t>(image.channels));
      to += image.channels;
    }
  }
  return out;
}

// --- alpha -----------------------------------------------------------------------------------------------------------

std::uint8_t product(int value, int alpha) {  // value * alpha / 255, rounded as Pillow rounds it
  const int sum = value * alpha + 128;
  return static_cast<std::uint8_t>(((sum >> 8) + sum) >> 8);
}

Image premultiplied(const ImageView& image) {
  Image out = make_image(image.width, image.height, image);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.pixels + y * image.row_bytes;
    for (int x = 0; x < image.width; ++x, from += 4, to += 4) {
      for (int c = 0; c < 3; ++c) to[c] = product(from[c], from[3]);
      to[3] = from[3];
    }
  }
  return out;
}

void divide_by_alpha(Image& image) {
  for (std::size_t i = 0; i < image.pixels.size(); i += 4) {
    const int alpha = image.pixels[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (std::size_t c = i; c < i + 3; ++c) {
      image.pixels[c] = static_cast<std::uint8_t>(std::min(255, 255 * image.pixels[c] / alpha));
    }
  }
}

// --- 16 bits ---------------------------------------------------------------------------------------------------------

std::uint8_t clipped(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// Both bytes are clipped one by one, as in Pillow: bicubic overshoots show.
void store16(double sum, std::uint8_t* to) {
  const int value = static_cast<int>(sum >= 0 ? std::floor(sum + 0.5F) : -std::floor(std::abs(sum) + 0.5F));
  to[0] = clipped(value % 256);
  to[1] = clipped(value >> 8);
}

// One pass over [lines, length]: `line_bytes` and `value_bytes` part two lines, and two values of a line.
struct Lines {
  const std::uint8_t* from;
  std::ptrdiff_t line_bytes, value_bytes;
};

void pass16(const Lines& in, int lines, int shift, const Taps& taps, std::uint8_t* to, std::ptrdiff_t to_line_bytes,
            std::ptrdiff_t to_value_bytes) {
  for (int line = 0; line < lines; ++line) {
    for (std::size_t out = 0; out < taps.first.size(); ++out) {
      double sum = 0;
      const double* const weights = &taps.exact[out * static_cast<std::size_t>(taps.stride)];
      for (int i = 0; i < taps.count[out]; ++i) {
        const std::uint8_t* const at = in.from + line * in.line_bytes + (taps.first[out] - shift + i) * in.value_bytes;
        sum += (at[0] + (at[1] << 8)) * weights[i];
      }
      store16(sum, to + line * to_line_bytes + static_cast<std::ptrdiff_t>(out) * to_value_bytes);
    }
  }
}

Image across16(const ImageView& image, const Taps& taps) {
  Image out = make_image(static_cast<int>(taps.first.size()), image.height, image);
  pass16({image.pixels, image.row_bytes, 2}, image.height, 0, taps, out.pixels.data(), std::ptrdiff_t{2} * out.width,
         2);
  return out;
}

Image down16(const ImageView& image, const Taps& taps) {
  Image out = make_image(image.width, static_cast<int>(taps.first.size()), image);
  pass16({image.pixels, 2, image.row_bytes}, image.width, 0, taps, out.pixels.data(), 2, std::ptrdiff_t{2} * out.width);
  return out;
}

Image resize16(const ImageView& image, int width, int height, Filter filter, const Box& box, OutputRange columns,
               OutputRange rows) {
  const bool sideways = width != image.width || box.left != 0 || box.right != image.width;
  const bool upright = height != image.height || box.top != 0 || box.bottom != image.height;
  const Taps across = make_taps(image.width, box.left, box.right, width, {0, width}, filter, true);
  const Taps down = make_taps(image.height, box.top, box.bottom, height, {0, height}, filter, true);
  Image whole = make_image(image.width, image.height, image);
  for (int y = 0; y < image.height; ++y) {
    std::memcpy(&whole.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) * 2],
                image.pixels + y * image.row_bytes, static_cast<std::size_t>(image.width) * 2);
  }
  const bool rows_first = sideways && upright && rows_come_first(image, width, height);
  if (rows_first) whole = down16(whole, down);
  if (sideways) whole = across16(whole, across);
  if (upright && !rows_first) whole = down16(whole, down);
  const ImageView part =
      ImageView(whole).crop(columns.begin, rows.begin, columns.end - columns.begin, rows.end - rows.begin);
  Image out = make_image(part.width, part.height, part);
  for (int y = 0; y < part.height; ++y) {
    std::memcpy(&out.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(part.width) * 2],
                part.pixels + y * part.row_bytes, static_cast<std::size_t>(part.width) * 2);
  }
  return out;
}

bool is_resized(const ImageView& image, int width, int height, const Box& box) {
  return width != image.width || height != image.height || box.left != 0 || box.top != 0 || box.right != image.width ||
         box.bottom != image.height;
}

}  // namespace

Image resize_part(const ImageView& image, int width, int height, Filter filter, const Box& box, OutputRange columns,
                  OutputRange rows) {
  switch (image.kind) {
    case Pixels::plain:
    case Pixels::cmyk:
      break;
    case Pixels::nearest:
      return resize_nearest(image, width, height, box, columns, rows);
    case Pixels::grey16:
      return resize16(image, width, height, filter, box, columns, rows);
    case Pixels::rgba:
      if (!is_resized(image, width, height, box)) break;
      Image out = resize_bytes(premultiplied(image), width, height, filter, box, columns, rows);
      out.kind = Pixels::rgba;
      divide_by_alpha(out);
      return out;
  }
  Image out = resize_bytes(image, width, height, filter, box, columns, rows);
  out.kind = image.kind;
  return out;
}

}  // namespace clip_hpc
