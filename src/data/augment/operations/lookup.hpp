// Operations that map each value of a channel to another one.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

void apply_autocontrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_equalize(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_invert(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_posterize(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_solarize(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_solarize_add(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
