// A matrix or a kernel and its bias, as parameters of an arena.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

struct Affine {
  std::size_t weight = 0;
  std::optional<std::size_t> bias = {};
};

// NAME.weight of `shape`, output channels first, and NAME.bias where `bias` says what it begins with.
Affine declare_affine(ParameterArena& arena, const std::string& name, std::vector<std::int64_t> shape,
                      const Initial& weight, const std::optional<Initial>& bias = zeros());
// torch's Linear, with its own initial values.
Affine declare_torch_linear(ParameterArena& arena, const std::string& name, std::int64_t out, std::int64_t in,
                            bool has_bias = true);

at::Tensor bias_of(const ParameterArena& arena, const Affine& layer);  // undefined where it has none
// x [..., in] -> [..., out]. A kernel of 1x1 is its matrix.
at::Tensor matrix_product(const ParameterArena& arena, const Affine& layer, const at::Tensor& x);

}  // namespace clip_hpc
