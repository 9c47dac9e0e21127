#include "clip_hpc/model/layers/transformer_block.hpp"

#include <cmath>
#include <utility>

#include "clip_hpc/ops/attention.hpp"
#include "clip_hpc/ops/fused_ops.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "clip_hpc/ops/recompute.hpp"

namespace clip_hpc {

double TransformerShape::macs_per_token() const {
  const auto w = static_cast<double>(width), mlp = static_cast<double>(mlp_width);
  return static_cast<double>(layers) * (4 * w * w + 2 * w * mlp);
}

double TransformerShape::macs_per_token_squared() const {
  return static_cast<double>(layers) * 2 * static_cast<double>(width);
}

BlockInitials normal_block_initials(const TransformerShape& shape) {
  const auto width = static_cast<double>(shape.width);
  const Initial residual = normal(std::pow(width, -0.5) * std::pow(2.0 * static_cast<double>(shape.layers), -0.5));
  return {.in_proj = normal(std::pow(width, -0.5)),
          .out_proj = residual,
          .c_fc = normal(std::pow(2.0 * width, -0.5)),
          .c_fc_bias = {torch_linear(shape.width), zeros()},
          .c_proj = residual,
          .c_proj_bias = {torch_linear(shape.mlp_width), zeros()}};
}

Transformer declare_transformer(ParameterArena& arena, const std::string& prefix, const TransformerShape& shape,
                                const BlockInitials& initials) {
  const std::int64_t width = shape.width, mlp_width = shape.mlp_width;
  Transformer transformer{width, shape.heads, shape.quick_gelu, {}};
  const auto weight = [&](const std::string& name, std::vector<std::int64_t> extents, const Initial& initial) {
    return arena.declare(name, std::move(extents), {.initial = initial});
  };
  const auto bias = [&](const std::string& name, std::int64_t length, const Initial& initial) {
    return arena.declare(name, {length}, {.decay = false, .initial = initial});
  };
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string name = prefix + ".resblocks." + std::to_string(i) + ".";
    Block block{};
    block.ln_1 = declare_layer_norm(arena, name + "ln_1", width);
    block.in_proj_weight = weight(name + "attn.in_proj_weight", {3 * width, width}, initials.in_proj);
    block.in_proj_bias = bias(name + "attn.in_proj_bias", 3 * width, zeros());
    block.out_proj_weight = weight(name + "attn.out_proj.weight", {width, width}, initials.out_proj);
    block.out_proj_bias = bias(name + "attn.out_proj.bias", width, zeros());
    block.ln_2 = declare_layer_norm(arena, name + "ln_2", width);
    block.c_fc_weight = weight(name + "mlp.c_fc.weight", {mlp_width, width}, initials.c_fc);
    block.c_fc_bias = bias(name + "mlp.c_fc.bias", mlp_width, initials.c_fc_bias);
    block.c_proj_weight = weight(name + "mlp.c_proj.weight", {width, mlp_width}, initials.c_proj);
    block.c_proj_bias = bias(name + "mlp.c_proj.bias", width, initials.c_proj_bias);
    transformer.blocks.push_back(block);
  }
  return transformer;
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
