// Operations that mix an image with a degenerate form of itself: PIL.ImageEnhance, and grey.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

void apply_brightness(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_contrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_color(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_sharpness(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_grey(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
