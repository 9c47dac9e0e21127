#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

WebPBitstreamFeatures read_webp_header(ImageBytes bytes) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) throw undecodable("WebP", "bad header");
  check_size(features.width, features.height, "WebP");
  return features;
}

// The first frame on its canvas.
void decode_first_frame(ImageBytes bytes, const WebPBitstreamFeatures& features, Image& image) {
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   WebPAnimDecoderDelete);
  WebPAnimInfo info;
  std::uint8_t* canvas = nullptr;
  int time_ms = 0;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &canvas, &time_ms) == 0) {
    throw undecodable("WebP", "damaged or cut off");
  }
  const bool alpha = features.has_alpha != 0;
  shape_image(image, info.canvas_width, info.canvas_height, alpha ? 4 : 3, alpha ? Pixels::rgba : Pixels::plain,
              "WebP");
  const std::size_t count = std::size_t{info.canvas_width} * info.canvas_height;
  const std::size_t channels = alpha ? 4 : 3;
  for (std::size_t i = 0; i < count; ++i) std::memcpy(&image.pixels[i * channels], &canvas[4 * i], channels);
}

void decode_webp(ImageBytes bytes, int /*short_side*/, Image& image) {
  const WebPBitstreamFeatures features = read_webp_header(bytes);
  if (features.has_animation != 0) return decode_first_frame(bytes, features, image);
  const bool alpha = features.has_alpha != 0;
  shape_image(image, features.width, features.height, alpha ? 4 : 3, alpha ? Pixels::rgba : Pixels::plain, "WebP");
  const auto decode = alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(), features.width * image.channels) ==
      nullptr) {
    throw undecodable("WebP", "damaged or cut off");
  }
}

}  // namespace

ImageFormatRow webp_format() {
  return {.format = ImageFormat::webp,
          .name = "WebP",
          .extension = "webp",
          .matches = [](ImageBytes bytes) { return starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8); },
          .decode = decode_webp,
          .probe = [](ImageBytes bytes) -> ImageSize {
            const WebPBitstreamFeatures features = read_webp_header(bytes);
            return {features.width, features.height};
          }};
}

}  // namespace clip_hpc
