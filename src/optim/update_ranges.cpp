#include "optim/update_ranges.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_hpc {

std::vector<UpdateRange> update_ranges(const ParameterArena& arena) {
  std::vector<UpdateRange> ranges;
  const ArenaSlice held = arena.held();
  for (const ParameterSpec& spec : arena.specs()) {
    const std::int64_t begin = std::max(spec.offset, held.begin), end = std::min(spec.offset + spec.numel, held.end);
    if (begin >= end) continue;
    if (!ranges.empty() && ranges.back().decay == spec.decay && ranges.back().end == begin) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end, spec.decay});
    }
  }
  return ranges;
}

at::Tensor range_table(const ParameterArena& arena, const std::vector<UpdateRange>& ranges) {
  std::vector<std::int64_t> rows;
  std::int64_t at = arena.held().begin;
  for (const UpdateRange& range : ranges) {
    if (range.begin > at) rows.insert(rows.end(), {range.begin, kRangeLeftAlone});
    rows.insert(rows.end(), {range.end, range.decay ? kDecayedRange : kPlainRange});
    at = range.end;
  }
  if (at < arena.held().end) rows.insert(rows.end(), {arena.held().end, kRangeLeftAlone});
  return at::tensor(rows, at::kLong).view({-1, 2}).to(arena.parameter(0).device());
}

}  // namespace clip_hpc
