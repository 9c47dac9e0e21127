// A buffer that a checkpoint keeps, under its name; each has its own length.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

struct NamedBuffer {
  std::string name;
  at::Tensor tensor;  // [n] fp32, on any device, contiguous: a view of what lives, read and filled in place
  // Where each rank has a part of it: the part's first element, and the length of all parts, which lie end to end.
  // numel 0: every rank has all of it.
  std::int64_t first = 0, numel = 0;

  bool is_part() const { return numel > 0; }
  std::int64_t length() const { return is_part() ? numel : tensor.numel(); }
};

// One value for each element that this rank holds of the arena.
NamedBuffer buffer_over(const ParameterArena& arena, std::string name, const at::Tensor& tensor);

}  // namespace clip_hpc
