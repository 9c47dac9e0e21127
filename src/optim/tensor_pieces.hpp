// What this rank holds of each trained tensor, for optimizers that treat a tensor as a whole. With LibTorch's
// operators: for any device and type, without a wait for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

struct TensorPiece {
  std::int64_t tensor;        // which of the trained ones
  std::int64_t begin, count;  // in the buffers of what this rank holds
  std::int64_t in_arena;      // where it begins there
  std::int64_t first, numel;  // where it begins in its tensor, and how long that is
  bool decays;
  double lr_scale;
  std::vector<std::int64_t> extents;  // of the tensor, as its second moments are factored

  bool is_whole() const { return count == numel; }
};

std::vector<TensorPiece> tensor_pieces(const ParameterArena& arena);  // those that have elements here, in their order

// Whether and how a step is taken, on the device.
struct StepGate {
  StepGate(const at::Tensor& norm, double clip_norm);
  at::Tensor applies;  // bool scalar: the norm is finite
  at::Tensor clip;     // fp32 scalar: what gradients are multiplied with

  at::Tensor gradient(ParameterArena& arena, const TensorPiece& piece) const;  // [count] fp32, clipped
  void assign(const at::Tensor& target, const at::Tensor& value) const;        // where the step applies
};

}  // namespace clip_hpc
