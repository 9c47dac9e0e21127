#include "optim/update_ranges.hpp"

#include <ATen/ATen.h>

namespace clip_hpc {

at::Tensor range_table(const ParameterArena& arena, const std::vector<UpdateRange>& ranges) {
  std::vector<std::int64_t> rows;
  std::int64_t at = arena.held().begin;
  for (const UpdateRange& range : ranges) {
    if (range.begin > at) rows.insert(rows.end(), {range.begin, packed_range(kRangeLeftAlone, 1)});
    const auto scale = static_cast<float>(range.lr_scale);
    rows.insert(rows.end(), {range.end, packed_range(range.decay ? kDecayedRange : kPlainRange, scale)});
    at = range.end;
  }
  if (at < arena.held().end) rows.insert(rows.end(), {arena.held().end, packed_range(kRangeLeftAlone, 1)});
  return at::tensor(rows, at::kLong).view({-1, 2}).to(arena.parameter(0).device());
}

}  // namespace clip_hpc
