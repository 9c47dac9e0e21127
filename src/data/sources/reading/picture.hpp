// Image files on their way into a packed set, and captions as it holds them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "clip_hpc/data/packed/shard.hpp"

namespace clip_hpc {

struct PictureOptions {
  int size = 0;           // a longer short side is scaled down to it; 0: as it is
  int jpeg_quality = 95;  // of those that are scaled
};
inline constexpr const char* kPictureSizeHelp = "short side to scale larger images to, in pixels; 0: as they are";

// Fills image, width and height. Decodes the whole image: once, here, rather than in every epoch. Throws storage.
void put_picture(std::span<const std::uint8_t> file, const PictureOptions& options, PackedSample& sample);

std::string one_line(std::string text);  // a line break in a packed set parts captions

}  // namespace clip_hpc
