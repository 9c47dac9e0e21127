// Of the head that a self-supervised term puts behind the image tower (model/layers/projection_head.hpp).
#pragma once

#include <cstdint>

namespace clip_hpc {

struct HeadSize {
  std::int64_t hidden = 4096, width = 256;
};

}  // namespace clip_hpc
