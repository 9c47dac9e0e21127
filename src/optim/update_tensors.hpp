// An update written with LibTorch's operators: for any device and type, without a wait for the device. What an
// optimizer falls back to where it brings no body of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "optim/update_ranges.hpp"

namespace clip_hpc {

struct UpdatePiece {
  std::int64_t begin, count;  // in the buffers of what this rank holds
  at::Tensor master;          // [count] fp32, a view
  at::Tensor gradient;        // [count] fp32, clipped; zeros where the norm is not finite
  bool decay;
  at::Tensor applies;  // bool scalar: the norm is finite
};

// Calls body for pieces of the ranges, none so long that its temporaries would matter; then the weights of the compute
// type follow the master.
void update_by_tensors(ParameterArena& arena, const std::vector<UpdateRange>& ranges, const at::Tensor& norm,
                       double clip_norm, const std::function<void(const UpdatePiece&)>& body);

// target <- value where the step applies.
void assign(const UpdatePiece& piece, const at::Tensor& target, const at::Tensor& value);

}  // namespace clip_hpc
