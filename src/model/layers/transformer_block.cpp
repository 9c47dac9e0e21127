#include "clip_hpc/model/layers/transformer_block.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "clip_hpc/ops/fused_ops.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "clip_hpc/ops/recompute.hpp"
#include "ops/attention_cpu.hpp"

namespace clip_hpc {

at::Tensor LayerNorm::operator()(const ParameterArena& arena, const at::Tensor& x) const {
  return layer_norm(x, arena.parameter(weight), arena.parameter(bias));
}

LayerNorm declare_layer_norm(ParameterArena& arena, const std::string& name, std::int64_t width) {
  const std::size_t weight = arena.declare(name + ".weight", {width}, false);
  return {weight, arena.declare(name + ".bias", {width}, false)};
}

Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, std::int64_t width,
                                std::int64_t layers, std::int64_t heads, std::int64_t mlp_width, bool quick_gelu) {
  Transformer transformer{width, heads, quick_gelu, {}};
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string name = prefix + ".resblocks." + std::to_string(i) + ".";
    Block block{};
    block.ln_1 = declare_layer_norm(arena, name + "ln_1", width);
    block.in_proj_weight = arena.declare(name + "attn.in_proj_weight", {3 * width, width}, true);
    block.in_proj_bias = arena.declare(name + "attn.in_proj_bias", {3 * width}, false);
    block.out_proj_weight = arena.declare(name + "attn.out_proj.weight", {width, width}, true);
    block.out_proj_bias = arena.declare(name + "attn.out_proj.bias", {width}, false);
    block.ln_2 = declare_layer_norm(arena, name + "ln_2", width);
    block.c_fc_weight = arena.declare(name + "mlp.c_fc.weight", {mlp_width, width}, true);
    block.c_fc_bias = arena.declare(name + "mlp.c_fc.bias", {mlp_width}, false);
    block.c_proj_weight = arena.declare(name + "mlp.c_proj.weight", {width, mlp_width}, true);
    block.c_proj_bias = arena.declare(name + "mlp.c_proj.bias", {width}, false);
    transformer.blocks.push_back(block);
  }
  return transformer;
}

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

namespace {

struct AttentionForm {
  std::int64_t heads;
  bool causal;
  std::span<const SequenceGroup> groups;  // empty: a dense batch
};

// The two branches of a block, each without the bias of its last linear layer: the pass that adds the branch to the
// residual stream adds that too. normed [batch, tokens, width] -> the same shape.
at::Tensor attention_branch(const ParameterArena& arena, const Block& block, const at::Tensor& normed,
                            const AttentionForm& form) {
  const at::Tensor qkv = linear_layer(normed, arena.parameter(block.in_proj_weight),
                                      arena.parameter(block.in_proj_bias));  // [batch, tokens, 3 * width]
  const at::Tensor mixed = form.groups.empty() ? self_attention(qkv, form.heads, form.causal)
                                               : grouped_attention(qkv, form.heads, form.causal, form.groups);
  return linear_layer(mixed, arena.parameter(block.out_proj_weight));
}

at::Tensor mlp_branch(const ParameterArena& arena, const Block& block, const at::Tensor& normed, bool quick_gelu) {
  const at::Tensor hidden = bias_gelu(linear_layer(normed, arena.parameter(block.c_fc_weight)),
                                      arena.parameter(block.c_fc_bias), quick_gelu);  // [batch, tokens, mlp_width]
  return linear_layer(hidden, arena.parameter(block.c_proj_weight));
}

// x + branch + bias, and what the next branch reads: the sum normalised by `next`.
SumAndNorm add_branch(const ParameterArena& arena, const at::Tensor& x, const at::Tensor& branch, std::size_t bias,
                      const LayerNorm& next) {
  return add_layer_norm(x, branch, arena.parameter(bias), arena.parameter(next.weight), arena.parameter(next.bias));
}

// `in`: the residual stream before the block, and ln_1 of it. Returns the stream behind the block and, when another one
// follows, its ln_1 of that.
SumAndNorm block_forward(const Transformer& of, const ParameterArena& arena, const Block& block, const SumAndNorm& in,
                         const AttentionForm& form, const Block* next) {
  const at::Tensor attention = attention_branch(arena, block, in.normed, form);
  const SumAndNorm middle = add_branch(arena, in.sum, attention, block.out_proj_bias, block.ln_2);
  const at::Tensor mlp = mlp_branch(arena, block, middle.normed, of.quick_gelu);
  if (next != nullptr) return add_branch(arena, middle.sum, mlp, block.c_proj_bias, next->ln_1);
  return {add_bias(middle.sum, mlp, arena.parameter(block.c_proj_bias)), {}};
}

}  // namespace

at::Tensor Transformer::forward(const ParameterArena& arena, at::Tensor x, bool causal, bool recompute,
                                std::span<const SequenceGroup> groups) const {
  const AttentionForm form{heads, causal, groups};
  SumAndNorm stream{std::move(x), {}};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    if (recompute) {
      // Backward runs it when the caller's groups are gone: they go with it.
      const auto through = [this, &arena, &block, form,
                            kept = std::vector<SequenceGroup>(groups.begin(), groups.end())](const at::Tensor& in) {
        const AttentionForm again{form.heads, form.causal, kept};
        return block_forward(*this, arena, block, {in, block.ln_1(arena, in)}, again, nullptr).sum;
      };
      stream.sum = recomputed(through, stream.sum);
    } else {
      if (i == 0) stream.normed = block.ln_1(arena, stream.sum);
      stream = block_forward(*this, arena, block, stream, form, i + 1 < blocks.size() ? &blocks[i + 1] : nullptr);
    }
  }
  return stream.sum;
}

}  // namespace clip_hpc
