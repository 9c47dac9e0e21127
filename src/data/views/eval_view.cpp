#include "data/views/eval_view.hpp"

#include <cmath>

#include "data/image/planes.hpp"

namespace clip_hpc {
namespace {

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

}  // namespace

void make_eval_view(const ImageView& image, const ViewSpec& spec, RandomStream& /*random*/,
                    std::span<std::uint8_t> out) {
  const int side = static_cast<int>(std::lround(spec.size / spec.kept_side));
  Image resized = eval_transform(image, side, spec.mode, spec.filter, spec.fill);
  if (side > spec.size) resized = middle_of(resized, spec.size);
  write_planes(resized, spec.channels, out);
}

}  // namespace clip_hpc
