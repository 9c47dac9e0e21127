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
  at::Tensor decays;          // [count] bool: weight decay applies
  at::Tensor lr_scales;       // [count] fp32: what the learning rate is multiplied with
  at::Tensor applies;         // bool scalar: the norm is finite
  void assign(const at::Tensor& target, const at::Tensor& value) const;  // where the step applies
};

class TensorUpdate {
 public:
  explicit TensorUpdate(ParameterArena& arena);  // which outlives it

  // Calls body for the held elements that are updated, in pieces none so long that its temporaries would matter; then
  // the weights of the compute type follow the master.
  void run(const at::Tensor& norm, double clip_norm, const std::function<void(const UpdatePiece&)>& body);

 private:
  ParameterArena& arena_;
  std::vector<ArenaSlice> runs_;   // adjacent ranges are one, decayed or not: few pieces are few kernels
  at::Tensor decays_, lr_scales_;  // [held] bool, fp32
};

}  // namespace clip_hpc
