#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "data/image/formats/image_format.hpp"

namespace clip_hpc {
namespace {

struct GifClose {
  void operator()(GifFileType* gif) const {
    int ignored = 0;
    DGifCloseFile(gif, &ignored);
  }
};
using Gif = std::unique_ptr<GifFileType, GifClose>;

int take_bytes(GifFileType* gif, GifByteType* into, int count) {
  auto& rest = *static_cast<ImageBytes*>(gif->UserData);
  const std::size_t taken = std::min(static_cast<std::size_t>(std::max(count, 0)), rest.size());
  std::memcpy(into, rest.data(), taken);
  rest = rest.subspan(taken);
  return static_cast<int>(taken);
}

struct FirstFrame {  // where it lies on the canvas
  Gif gif;
  int width = 0, height = 0;  // of the canvas
  int transparent = -1;
};

Error damaged(const Gif& gif) {
  const char* reason = gif != nullptr ? GifErrorString(gif->Error) : nullptr;
  return undecodable("GIF", reason != nullptr ? reason : "damaged or cut off");
}

// Up to the pixels of the first frame.
FirstFrame open_gif(ImageBytes& rest) {
  int error = 0;
  FirstFrame frame{Gif(DGifOpen(&rest, take_bytes, &error))};
  if (frame.gif == nullptr) throw damaged(frame.gif);
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  while (true) {
    if (DGifGetRecordType(frame.gif.get(), &record) == GIF_ERROR) throw damaged(frame.gif);
    if (record == TERMINATE_RECORD_TYPE) throw undecodable("GIF", "it holds no image");
    if (record == IMAGE_DESC_RECORD_TYPE) break;
    if (record != EXTENSION_RECORD_TYPE) continue;
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(frame.gif.get(), &code, &block) == GIF_ERROR) throw damaged(frame.gif);
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4) {
      frame.transparent = (block[1] & 1) != 0 ? block[4] : -1;
    }
    while (block != nullptr) {
      if (DGifGetExtensionNext(frame.gif.get(), &block) == GIF_ERROR) throw damaged(frame.gif);
    }
  }
  if (DGifGetImageDesc(frame.gif.get()) == GIF_ERROR) throw damaged(frame.gif);
  const GifImageDesc& at = frame.gif->Image;
  frame.width = std::max(frame.gif->SWidth, at.Left + at.Width);
  frame.height = std::max(frame.gif->SHeight, at.Top + at.Height);
  check_size(frame.width, frame.height, "GIF");
  return frame;
}

using Palette = std::array<GifColorType, 256>;

// Whether the image is a palette's: colours that count up from black are grey, and are mixed when it is resized.
bool read_palette(const GifFileType& gif, Palette& palette) {
  const ColorMapObject* map = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  bool is_grey = true;
  for (int i = 0; map != nullptr && i < std::min(map->ColorCount, 256); ++i) {
    palette[static_cast<std::size_t>(i)] = map->Colors[i];
    is_grey = is_grey && map->Colors[i].Red == i && map->Colors[i].Green == i && map->Colors[i].Blue == i;
  }
  return !is_grey;
}

void decode_gif(ImageBytes bytes, int /*short_side*/, Image& image) {
  const ImageBytes whole = bytes;
  const FirstFrame frame = open_gif(bytes);
  check_claim(frame.width, frame.height, whole, "GIF");
  const GifImageDesc& at = frame.gif->Image;
  Palette palette{};
  const bool coloured = read_palette(*frame.gif, palette);
  const int channels = coloured ? 3 : 1;
  shape_image(image, frame.width, frame.height, channels, coloured ? Pixels::nearest : Pixels::plain, "GIF");
  if (coloured) {
    for (const GifColorType& colour : palette) {
      image.palette.insert(image.palette.end(), {colour.Red, colour.Green, colour.Blue});
    }
  }
  const auto put = [&](std::ptrdiff_t pixel, std::uint8_t index) {
    if (!coloured) {
      image.pixels[static_cast<std::size_t>(pixel)] = index;
    } else {
      const GifColorType& colour = palette[index];
      std::uint8_t* const to = &image.pixels[static_cast<std::size_t>(3 * pixel)];
      to[0] = colour.Red, to[1] = colour.Green, to[2] = colour.Blue;
    }
  };
  const bool covers = at.Width == frame.width && at.Height == frame.height;
  const std::ptrdiff_t count = std::ptrdiff_t{frame.width} * frame.height;
  const auto around = static_cast<std::uint8_t>(std::max(frame.transparent, 0));
  for (std::ptrdiff_t i = 0; !covers && i < count; ++i) put(i, around);
  std::vector<GifByteType> line(static_cast<std::size_t>(std::max(at.Width, 1)));
  const auto read_line = [&](int y) {
    if (DGifGetLine(frame.gif.get(), line.data(), at.Width) == GIF_ERROR) throw damaged(frame.gif);
    const std::ptrdiff_t begin = std::ptrdiff_t{at.Top + y} * frame.width + at.Left;
    for (int x = 0; x < at.Width; ++x) put(begin + x, line[static_cast<std::size_t>(x)]);
  };
  struct Pass {
    int first, step;
  };
  const std::vector<Pass> passes =
      at.Interlace ? std::vector<Pass>{{0, 8}, {4, 8}, {2, 4}, {1, 2}} : std::vector<Pass>{{0, 1}};
  for (const Pass& pass : passes) {
    for (int y = pass.first; y < at.Height; y += pass.step) read_line(y);
  }
}

}  // namespace

ImageFormatRow gif_format() {
  return {.format = ImageFormat::gif,
          .name = "GIF",
          .extension = "gif",
          .matches = [](ImageBytes bytes) { return starts_with(bytes, "GIF87a") || starts_with(bytes, "GIF89a"); },
          .decode = decode_gif,
          .probe = [](ImageBytes bytes) -> ImageSize {
            const FirstFrame frame = open_gif(bytes);
            return {frame.width, frame.height};
          }};
}

}  // namespace clip_hpc
