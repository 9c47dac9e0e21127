// What one piece of input may take at most. A file that claims more is damaged or hostile: it is refused by name before
// memory is asked for. Nothing of this is a limit on a data set.
#pragma once

#include <cstdint>

namespace clip_hpc {

struct InputLimits {
  std::uint64_t tar_member_bytes = std::uint64_t{256} << 20;  // an image, a caption, a json
  std::uint64_t tar_sample_bytes = std::uint64_t{512} << 20;  // all members of one sample
  std::int64_t image_pixels = 178'956'970;                    // of one image; Pillow raises an error beyond it, too
  int image_side = 1 << 24;                                   // pixels
};
inline constexpr InputLimits kInputLimits{};

}  // namespace clip_hpc
