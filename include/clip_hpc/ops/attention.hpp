// Scaled dot-product attention on packed projections, dense or over sequences of different lengths.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>

namespace clip_hpc {

// Of a packed batch: `count` sequences of `tokens` positions each, one behind the other.
struct SequenceGroup {
  std::int64_t count, tokens;
};

// qkv [batch, tokens, 3 * width] -> [batch, tokens, width].
at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, bool causal);
at::Tensor attention_reference(const at::Tensor& qkv, std::int64_t heads, bool causal);  // of LibTorch's operators

// The same on sequences in groups: qkv [total, 3 * width] -> [total, width].
at::Tensor grouped_attention(const at::Tensor& qkv, std::int64_t heads, bool causal,
                             std::span<const SequenceGroup> groups);

}  // namespace clip_hpc
