#include "data/sources/reading/picture.hpp"

#include <algorithm>

#include "clip_hpc/base/text.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/resize.hpp"

namespace clip_hpc {

void put_picture(std::span<const std::uint8_t> file, const PictureOptions& options, PackedSample& sample) {
  const ImageSize stored = probe_size(file);
  if (options.size == 0 || std::min(stored.width, stored.height) <= options.size) {
    decode_stored(file);
    sample.image.assign(file.begin(), file.end());
    sample.width = static_cast<std::uint32_t>(stored.width);
    sample.height = static_cast<std::uint32_t>(stored.height);
    return;
  }
  const Image whole = decode_stored(file, options.size);
  const double scale = static_cast<double>(options.size) / std::min(whole.width, whole.height);
  const auto scaled = [&](int side) { return std::max(1, static_cast<int>(side * scale)); };
  const bool tall = whole.width < whole.height;
  const Image small = to_plain(resize(whole, tall ? options.size : scaled(whole.width),
                                      tall ? scaled(whole.height) : options.size, Filter::bicubic));
  sample.image = encode_jpeg(small, options.jpeg_quality);
  sample.width = static_cast<std::uint32_t>(small.width);
  sample.height = static_cast<std::uint32_t>(small.height);
}

std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return std::string(trim(text, " "));
}

}  // namespace clip_hpc
