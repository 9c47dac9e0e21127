// Operations whose bytes in big_vision's TensorFlow code (pp/archive/autoaugment.py) are not Pillow's: other weights of
// grey, sums in single precision, fractions dropped, pixels by their corners.
#pragma once

#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

void apply_tf_autocontrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_color(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_contrast(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_contrast_of_count(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_sharpness(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_shear_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_shear_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_translate_x(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_translate_y(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);
void apply_tf_rotate(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
