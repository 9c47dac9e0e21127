// Position embeddings of an image tower at another size of image.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

// `values` [tokens, width] or [1, tokens, width] of another grid, for the grid and in the shape that `spec` has:
// resampled by bicubic interpolation with antialiasing, as open_clip does on loading; what belongs to no patch stays.
// Undefined where `spec` has no grid, `values` are of none, or the widths differ. fp32.
at::Tensor resized_positions(const at::Tensor& values, const NamedShape& spec);

}  // namespace clip_hpc
