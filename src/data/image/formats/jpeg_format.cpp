#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <string>

#include "clip_hpc/data/image/decode.hpp"
#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

struct TurboClose {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, TurboClose>;

struct JpegHeader {
  int width = 0, height = 0, subsampling = 0, colours = 0;
};

JpegHeader read_jpeg_header(const Turbo& turbo, ImageBytes bytes) {
  JpegHeader header;
  if (!turbo || tjDecompressHeader3(turbo.get(), bytes.data(), bytes.size(), &header.width, &header.height,
                                    &header.subsampling, &header.colours) != 0) {
    throw undecodable("JPEG", turbo ? tjGetErrorStr2(turbo.get()) : "no decoder");
  }
  return header;
}

void decode_jpeg(ImageBytes bytes, int short_side, Image& image) {
  // One decoder serves all good pictures of a thread. After any complaint it is thrown away: what a broken picture
  // leaves in it spoils the next ones.
  thread_local Turbo kept;
  Turbo turbo = kept ? std::move(kept) : Turbo(tjInitDecompress());
  const JpegHeader header = read_jpeg_header(turbo, bytes);
  int width = header.width;
  int height = header.height;
  for (const int divisor : {2, 4, 8}) {
    const tjscalingfactor factor{1, divisor};
    const int scaled_width = TJSCALED(header.width, factor);
    const int scaled_height = TJSCALED(header.height, factor);
    if (short_side <= 0 || std::min(scaled_width, scaled_height) < short_side) break;
    width = scaled_width;
    height = scaled_height;
  }
  const bool cmyk = header.colours == TJCS_CMYK || header.colours == TJCS_YCCK;
  check_claim(header.width, header.height, bytes, "JPEG");  // the limit holds for what is stored, too
  shape_image(image, width, height, cmyk ? 4 : 3, cmyk ? Pixels::cmyk : Pixels::plain, "JPEG");
  if (tjDecompress2(turbo.get(), bytes.data(), bytes.size(), image.pixels.data(), width, 0, height,
                    cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0) {
    const std::string reason = tjGetErrorStr2(turbo.get());
    // Stray bytes between segments are common and harmless; an image that is cut off is not.
    if (tjGetErrorCode(turbo.get()) == TJERR_FATAL || reason.find("remature end") != std::string::npos) {
      throw undecodable("JPEG", reason);
    }
  } else {
    kept = std::move(turbo);
  }
  // Adobe's programs store ink inverted, and nearly all others do as they do; Pillow takes all of them so.
  if (cmyk)
    std::ranges::transform(image.pixels, image.pixels.begin(),
                           [](std::uint8_t ink) { return static_cast<std::uint8_t>(255 - ink); });
}

}  // namespace

ImageFormatRow jpeg_format() {
  return {.format = ImageFormat::jpeg,
          .name = "JPEG",
          .extension = "jpg",
          .matches = [](ImageBytes bytes) { return starts_with(bytes, "\xFF\xD8\xFF"); },
          .decode = decode_jpeg,
          .probe = [](ImageBytes bytes) -> ImageSize {
            const JpegHeader header = read_jpeg_header(Turbo(tjInitDecompress()), bytes);
            return {header.width, header.height};
          }};
}

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  const Turbo turbo(tjInitCompress());
  unsigned char* buffer = nullptr;
  unsigned long size_bytes = 0;
  const bool grey = image.channels == 1;
  const int failed =
      !turbo ? 1
             : tjCompress2(turbo.get(), image.pixels.data(), image.width, 0, image.height, grey ? TJPF_GRAY : TJPF_RGB,
                           &buffer, &size_bytes, grey ? TJSAMP_GRAY : TJSAMP_420, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owned(buffer, tjFree);
  if (failed != 0) {
    throw input_error("cannot encode {} x {} x {} as JPEG of quality {}", image.width, image.height, image.channels,
                      quality);
  }
  return {buffer, buffer + size_bytes};
}

}  // namespace clip_hpc
