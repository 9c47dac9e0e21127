#include "clip_hpc/model/layers/transformer_block.hpp"

#include <fmt/format.h>

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
                                const BlockInitials& initials, const BlockNames& names) {
  const std::int64_t width = shape.width, mlp_width = shape.mlp_width, head_width = width / shape.heads;
  Transformer transformer{width, shape.heads, shape.activation, {}};
  const auto weight = [&](const std::string& name, std::vector<std::int64_t> extents, const Initial& initial) {
    return arena.declare(name, std::move(extents), {.initial = initial});
  };
  const auto bias = [&](const std::string& name, std::int64_t length, const Initial& initial) {
    return arena.declare(name, {length}, {.decay = false, .initial = initial});
  };
  const auto scale = [&](const std::string& name) -> std::optional<std::size_t> {
    if (!shape.layer_scale) return std::nullopt;
    return bias(name, width, constant(*shape.layer_scale));
  };
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string name = fmt::format("{}.{}.{}.", prefix, names.stack, i);
    arena.begin_group();
    const std::string out_proj = name + names.out_proj, c_fc = name + names.c_fc, c_proj = name + names.c_proj;
    Block block{};
    block.ln_1 = declare_layer_norm(arena, name + names.ln_1, width, shape.norm_eps);
    block.in_proj_weight = weight(name + names.in_proj_weight, {3 * width, width}, initials.in_proj);
    if (shape.has_qkv_bias) block.in_proj_bias = bias(name + names.in_proj_bias, 3 * width, zeros());
    block.out_proj_weight = weight(out_proj + ".weight", {width, width}, initials.out_proj);
    arena.factor_as(block.in_proj_weight, {3, shape.heads, head_width, width});
    arena.factor_as(block.out_proj_weight, {width, shape.heads, head_width});
    block.out_proj_bias = bias(out_proj + ".bias", width, zeros());
    block.scale_1 = scale(name + names.scale_1);
    block.ln_2 = declare_layer_norm(arena, name + names.ln_2, width, shape.norm_eps);
    block.c_fc_weight = weight(c_fc + ".weight", {mlp_width, width}, initials.c_fc);
    block.c_fc_bias = bias(c_fc + ".bias", mlp_width, initials.c_fc_bias);
    block.c_proj_weight = weight(c_proj + ".weight", {width, mlp_width}, initials.c_proj);
    block.c_proj_bias = bias(c_proj + ".bias", width, initials.c_proj_bias);
    block.scale_2 = scale(name + names.scale_2);
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

// Of the stack's branches [batch, 2 * blocks] that of one -> [batch, 1, 1]
at::Tensor scales_of_branch(const at::Tensor& all, std::size_t branch) {
  if (!all.defined()) return {};
  return all.select(1, static_cast<std::int64_t>(branch)).view({-1, 1, 1});
}

// The two branches of a block, each without the bias of its last linear layer: the pass that adds the branch to the
// residual stream adds that too. normed [batch, tokens, width] -> the same shape.
at::Tensor attention_branch(const ParameterArena& arena, const Block& block, const at::Tensor& normed,
                            const AttentionForm& form) {
  const at::Tensor qkv_bias = block.in_proj_bias ? arena.parameter(*block.in_proj_bias) : at::Tensor();
  const at::Tensor qkv =
      linear_layer(normed, arena.parameter(block.in_proj_weight), qkv_bias);  // [batch, tokens, 3 * width]
  const at::Tensor mixed = form.groups.empty() ? self_attention(qkv, form.heads, form.causal)
                                               : grouped_attention(qkv, form.heads, form.causal, form.groups);
  return linear_layer(mixed, arena.parameter(block.out_proj_weight));
}

at::Tensor mlp_branch(const ParameterArena& arena, const Block& block, const at::Tensor& normed, Gelu activation) {
  const at::Tensor hidden = bias_gelu(linear_layer(normed, arena.parameter(block.c_fc_weight)),
                                      arena.parameter(block.c_fc_bias), activation);  // [batch, tokens, mlp_width]
  return linear_layer(hidden, arena.parameter(block.c_proj_weight));
}

struct BranchEnd {  // what a branch goes through before it joins the stream
  std::size_t bias;
  std::optional<std::size_t> scale;  // LayerScale
  at::Tensor of_samples;             // [batch, 1, 1] or none: stochastic depth
};

// x + branch + bias and, unless `next` is null, what the next branch reads: the sum normalised by it.
SumAndNorm add_branch(const ParameterArena& arena, const at::Tensor& x, const at::Tensor& branch, const BranchEnd& end,
                      const LayerNorm* next) {
  const at::Tensor bias = arena.parameter(end.bias);
  if (!end.scale && !end.of_samples.defined()) {
    if (next == nullptr) return {add_bias(x, branch, bias), {}};
    return add_layer_norm(x, branch, bias, arena.parameter(next->weight), arena.parameter(next->bias), next->eps);
  }
  at::Tensor delta = branch + bias;
  if (end.scale) delta = delta * arena.parameter(*end.scale);
  if (end.of_samples.defined()) delta = delta * end.of_samples.to(delta.scalar_type());
  const at::Tensor sum = x + delta;
  return {sum, next == nullptr ? at::Tensor() : (*next)(arena, sum)};
}

// `in`: the residual stream before block `i`, and ln_1 of it. Returns the stream behind the block and, unless `next` is
// null, that norm of it.
SumAndNorm block_forward(const Transformer& of, const ParameterArena& arena, std::size_t i, const SumAndNorm& in,
                         const AttentionForm& form, const at::Tensor& branch_scales, const LayerNorm* next) {
  const Block& block = of.blocks[i];
  const BranchEnd first{block.out_proj_bias, block.scale_1, scales_of_branch(branch_scales, 2 * i)};
  const BranchEnd second{block.c_proj_bias, block.scale_2, scales_of_branch(branch_scales, 2 * i + 1)};
  const SumAndNorm middle =
      add_branch(arena, in.sum, attention_branch(arena, block, in.normed, form), first, &block.ln_2);
  return add_branch(arena, middle.sum, mlp_branch(arena, block, middle.normed, of.activation), second, next);
}

}  // namespace

at::Tensor Transformer::forward(const ParameterArena& arena, at::Tensor x, bool causal, bool recompute,
                                std::span<const SequenceGroup> groups, const at::Tensor& branch_scales) const {
  const AttentionForm form{heads, causal, groups};
  SumAndNorm stream{std::move(x), {}};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    if (recompute) {
      // Backward runs it when the caller's groups are gone: they go with it.
      const auto through = [this, &arena, &block, i, form, branch_scales,
                            kept = std::vector<SequenceGroup>(groups.begin(), groups.end())](const at::Tensor& in) {
        const AttentionForm again{form.heads, form.causal, kept};
        return block_forward(*this, arena, i, {in, block.ln_1(arena, in)}, again, branch_scales, nullptr).sum;
      };
      stream.sum = recomputed(through, stream.sum);
    } else {
      if (i == 0) stream.normed = block.ln_1(arena, stream.sum);
      stream = block_forward(*this, arena, i, stream, form, branch_scales,
                             i + 1 < blocks.size() ? &blocks[i + 1].ln_1 : nullptr);
    }
  }
  return stream.sum;
}

}  // namespace clip_hpc
