// PIL.ImageFilter.GaussianBlur: three box blurs a direction, of a length that need not be whole.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

void apply_blur(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
