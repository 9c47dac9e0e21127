#include "optim/update_ranges.hpp"

#include <ATen/ATen.h>

namespace clip_hpc {

at::Tensor range_table(const ParameterArena& arena, const std::vector<UpdateRange>& ranges) {
  std::vector<std::int64_t> rows;
  std::int64_t at = arena.held().begin;
  for (const UpdateRange& range : ranges) {
    if (range.begin > at) rows.insert(rows.end(), {range.begin, kRangeLeftAlone});
    rows.insert(rows.end(), {range.end, range.frozen ? kRangeLeftAlone : range.decay ? kDecayedRange : kPlainRange});
    at = range.end;
  }
  if (at < arena.held().end) rows.insert(rows.end(), {arena.held().end, kRangeLeftAlone});
  return at::tensor(rows, at::kLong).view({-1, 2}).to(arena.parameter(0).device());
}

}  // namespace clip_hpc
