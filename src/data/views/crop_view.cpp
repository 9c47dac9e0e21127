#include "data/views/crop_view.hpp"

#include <algorithm>
#include <cmath>

#include "data/image/planes.hpp"

namespace clip_hpc {
namespace {

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

}  // namespace

void make_crop_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out) {
  Image cropped = to_plain(resize(random_crop(image, spec, random), spec.size, spec.size, spec.filter));
  if (spec.flip_probability > 0 && random.chance(spec.flip_probability)) flip_rows(cropped);
  write_planes(cropped, spec.channels, out);
}

}  // namespace clip_hpc
