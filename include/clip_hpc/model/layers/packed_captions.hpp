// Captions without the padding between them. Under a causal mask nothing behind a caption's end can change its feature,
// so the text tower need not compute it: captions are sorted by length, and those of about one length form a group that
// is dense. All layers but attention see one long list of tokens; attention sees one group after the other.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "clip_hpc/ops/attention.hpp"

namespace clip_hpc {

struct PackedCaptions {
  at::Tensor ids;        // [total] int64
  at::Tensor positions;  // [total] int64: place in its caption
  at::Tensor ends;       // [rows] int64: where among the tokens the last one of each caption stands, in the rows' order
  std::vector<SequenceGroup> groups;
  std::int64_t total() const { return ids.size(0); }
};

// ids [rows, tokens] int64 on any device, lengths [rows] between 1 and tokens. Lengths are rounded up to a multiple of
// `multiple_of` (but not beyond `tokens`), which keeps the groups few.
PackedCaptions pack_captions(const at::Tensor& ids, std::span<const std::int32_t> lengths,
                             std::int64_t multiple_of = 4);

}  // namespace clip_hpc
