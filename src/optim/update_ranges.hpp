// Which elements an optimizer updates, and how: contiguous ranges of the arena, cut at the borders of what this rank
// holds.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "optim/update_math.hpp"

namespace clip_hpc {

// The same for a kernel, without gaps: [ranges, 2] int64 on the arena's device, end and packed_range of each.
at::Tensor range_table(const ParameterArena& arena, const std::vector<UpdateRange>& ranges);

// Calls body(begin, end, range) for pieces of the ranges, on several threads.
template <class Body>
void for_each_piece(const std::vector<UpdateRange>& ranges, const Body& body) {
  constexpr std::int64_t kGrain = 16384;
  for (const UpdateRange& range : ranges) {
    at::parallel_for(range.begin, range.end, kGrain,
                     [&](std::int64_t begin, std::int64_t end) { body(begin, end, range); });
  }
}

}  // namespace clip_hpc
