// How images become the tokens of a Vision Transformer.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/affine.hpp"

namespace clip_hpc {

// pixels [batch, in, size, size] -> [batch, kept, width]: the kernel `stem` [width, in, patch, patch] on each patch,
// and the patch's row of `positions` [grid * grid, width]. `kept` [batch, n] int64: those that stay, all without it;
// what is dropped costs nothing. Pixels behind the last whole patch are left out, as a convolution without padding
// leaves them.
at::Tensor embedded_patches(const ParameterArena& arena, const Affine& stem, const at::Tensor& positions,
                            const at::Tensor& pixels, const std::optional<at::Tensor>& kept);

// positions [from * from, width] of a square grid -> [to * to, width] of another: bicubic with antialiasing, as
// PyTorch's interpolate has it, written as one product with constant weights, whose gradient repeats its bits.
at::Tensor positions_at(const at::Tensor& positions, std::int64_t to);

}  // namespace clip_hpc
