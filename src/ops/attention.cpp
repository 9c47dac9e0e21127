#include "clip_hpc/ops/attention.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention_cpu.hpp"

namespace clip_hpc {

at::Tensor self_attention(const at::Tensor& qkv, std::int64_t heads, bool causal) {
  if (can_attend_on_cpu(qkv)) return attention_cpu(qkv, heads, causal);
  return attention_reference(qkv, heads, causal);
}

at::Tensor attention_reference(const at::Tensor& qkv, std::int64_t heads, bool causal) {
  const std::int64_t batch = qkv.size(0);
  const std::int64_t tokens = qkv.size(1);
  const std::int64_t width = qkv.size(2) / 3;
  const std::int64_t head_width = width / heads;
  // [3, batch, heads, tokens, head_width]
  const at::Tensor split = qkv.view({batch, tokens, 3, heads, head_width}).permute({2, 0, 3, 1, 4});
  at::Tensor out;
  // At these lengths two batched GEMMs beat the CPU's flash attention, most of all backward in bf16.
  if (qkv.device().is_cpu() && tokens <= 512) {
    const at::Tensor q = split[0].reshape({batch * heads, tokens, head_width});
    const at::Tensor k = split[1].reshape({batch * heads, tokens, head_width});
    const at::Tensor v = split[2].reshape({batch * heads, tokens, head_width});
    at::Tensor scores = at::bmm(q * (1.0 / std::sqrt(static_cast<double>(head_width))), k.transpose(1, 2));
    if (causal) {
      const auto mask = at::full({tokens, tokens}, -std::numeric_limits<float>::infinity(), scores.options()).triu_(1);
      scores = scores + mask;
    }
    out = at::bmm(at::softmax(scores, -1), v).view({batch, heads, tokens, head_width});
  } else {
    out = at::scaled_dot_product_attention(split[0], split[1], split[2], {}, 0.0, causal);
  }
  return out.permute({0, 2, 1, 3}).reshape({batch, tokens, width});
}

at::Tensor grouped_attention(const at::Tensor& qkv, std::int64_t heads, bool causal,
                             std::span<const SequenceGroup> groups) {
  std::vector<std::int64_t> sizes;
  for (const SequenceGroup& group : groups) sizes.push_back(group.count * group.tokens);
  const std::vector<at::Tensor> parts = qkv.split_with_sizes(sizes);  // its backward is one concatenation
  std::vector<at::Tensor> outs;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const at::Tensor part = parts[g].view({groups[g].count, groups[g].tokens, qkv.size(1)});
    outs.push_back(self_attention(part, heads, causal).view({sizes[g], -1}));
  }
  return outs.size() == 1 ? outs[0] : at::cat(outs);
}

}  // namespace clip_hpc
