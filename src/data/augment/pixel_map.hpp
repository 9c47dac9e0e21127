// An image seen through an affine map, with the very bytes of PIL.Image.transform; and through a table of places.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

// Where a pixel of the result comes from: x' = xx x + xy y + x0, y' = yx x + yy y + y0, of centres (x + 0.5).
struct PixelMap {
  double xx, xy, x0, yx, yy, y0;
};

void sample_affine_map(const PixelPlanes& image, const PixelMap& map, Sampling sampling, std::uint8_t fill,
                       OperationScratch& scratch);

// A copy of the planes in `scratch`, each followed by one byte `fill`: the place of what comes from outside.
void copy_with_fill(const PixelPlanes& image, std::uint8_t fill, OperationScratch& scratch);
// Row y of each plane, from places in the copy's planes.
void take_places(const PixelPlanes& image, int y, const std::int32_t* places, const OperationScratch& scratch);

}  // namespace clip_hpc
