// Operations that move pixels: PIL.Image.transform with an affine map, rotate, and Cutout.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

void apply_flip(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_shear_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_shear_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_translate_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_translate_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_rotate(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_cutout(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
