#include "checkpoint/formats/hugging_face_names.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

// How a tensor of theirs becomes one of ours.
enum class Form {
  same,
  transposed,
  with_first_axis,  // [n, width] -> [1, n, width]
  scalar,           // [1] -> []
};

struct Piece {  // a tensor of theirs, or `rows` rows of it from `begin` on
  std::string name;
  std::int64_t begin = 0, rows = 0;
};

// One of ours is the rows of these, one behind the other, an equal number of each.
struct Correspondence {
  std::vector<Piece> pieces;
  Form form = Form::same;
};

struct Renaming {
  std::string_view own, theirs;  // the beginnings of names
  Form form = Form::same;
};

constexpr std::array kClipNames{
    Renaming{"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    Renaming{"visual.conv1.", "vision_model.embeddings.patch_embedding."},
    Renaming{"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    Renaming{"visual.ln_pre.", "vision_model.pre_layrnorm."},  // their spelling
    Renaming{"visual.ln_post.", "vision_model.post_layernorm."},
    Renaming{"visual.proj", "visual_projection.weight", Form::transposed},
    Renaming{"token_embedding.", "text_model.embeddings.token_embedding."},
    Renaming{"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    Renaming{"ln_final.", "text_model.final_layer_norm."},
    Renaming{"text_projection", "text_projection.weight", Form::transposed},
};
constexpr std::array kSiglipNames{
    Renaming{"visual.trunk.patch_embed.proj.", "vision_model.embeddings.patch_embedding."},
    Renaming{"visual.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight", Form::with_first_axis},
    Renaming{"visual.trunk.norm.", "vision_model.post_layernorm."},
    Renaming{"visual.trunk.attn_pool.latent", "vision_model.head.probe"},
    Renaming{"visual.trunk.attn_pool.proj.", "vision_model.head.attention.out_proj."},
    Renaming{"visual.trunk.attn_pool.norm.", "vision_model.head.layernorm."},
    Renaming{"visual.trunk.attn_pool.mlp.", "vision_model.head.mlp."},
    Renaming{"text.token_embedding.", "text_model.embeddings.token_embedding."},
    Renaming{"text.positional_embedding", "text_model.embeddings.position_embedding.weight"},
    Renaming{"text.ln_final.", "text_model.final_layer_norm."},
    Renaming{"text.text_projection.", "text_model.head."},
    Renaming{"logit_scale", "logit_scale", Form::scalar},
    Renaming{"logit_bias", "logit_bias", Form::scalar},
};

struct Stack {  // of blocks
  std::string_view own, theirs;
};
constexpr std::array kStacks{
    Stack{"visual.transformer.resblocks.", "vision_model.encoder.layers."},
    Stack{"visual.trunk.blocks.", "vision_model.encoder.layers."},
    Stack{"text.transformer.resblocks.", "text_model.encoder.layers."},
    Stack{"transformer.resblocks.", "text_model.encoder.layers."},
};
constexpr std::array kOfBlock{
    Renaming{"ln_1.", "layer_norm1."},
    Renaming{"norm1.", "layer_norm1."},
    Renaming{"ln_2.", "layer_norm2."},
    Renaming{"norm2.", "layer_norm2."},
    Renaming{"attn.out_proj.", "self_attn.out_proj."},
    Renaming{"attn.proj.", "self_attn.out_proj."},
    Renaming{"mlp.c_fc.", "mlp.fc1."},
    Renaming{"mlp.c_proj.", "mlp.fc2."},
    Renaming{"mlp.", "mlp."},  // timm's fc1 and fc2 are theirs
};
// Weight and bias of queries, keys and values: three tensors there.
constexpr std::string_view kInProj[] = {"attn.in_proj_", "attn.qkv."};

Correspondence three_of(const std::string& block, std::string_view kind) {
  Correspondence three;
  for (const char* which : {"q", "k", "v"})
    three.pieces.push_back({fmt::format("{}self_attn.{}_proj.{}", block, which, kind)});
  return three;
}

std::optional<Correspondence> renamed(std::string_view name, std::span<const Renaming> table,
                                      const std::string& before) {
  for (const Renaming& one : table) {
    if (!name.starts_with(one.own)) continue;
    return Correspondence{{{fmt::format("{}{}{}", before, one.theirs, name.substr(one.own.size()))}}, one.form};
  }
  return std::nullopt;
}

std::optional<Correspondence> of_block(std::string_view name) {
  for (const Stack& stack : kStacks) {
    if (!name.starts_with(stack.own)) continue;
    const std::string_view rest = name.substr(stack.own.size());
    const auto dot = rest.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string block = fmt::format("{}{}.", stack.theirs, rest.substr(0, dot));
    const std::string_view inner = rest.substr(dot + 1);
    for (const std::string_view in_proj : kInProj) {
      if (inner.starts_with(in_proj)) return three_of(block, inner.substr(in_proj.size()));
    }
    return renamed(inner, kOfBlock, block);
  }
  return std::nullopt;
}

// `rows`: of the tensor of ours. Nothing for a name that their models have no place for.
std::optional<Correspondence> correspondence(const std::string& own, std::int64_t rows, HuggingFaceKind kind) {
  constexpr std::string_view kQuery = "visual.trunk.attn_pool.q.", kKeyValue = "visual.trunk.attn_pool.kv.";
  const bool is_clip = kind == HuggingFaceKind::clip;
  if (!is_clip && (own.starts_with(kQuery) || own.starts_with(kKeyValue))) {  // one tensor there
    const bool is_query = own.starts_with(kQuery);
    const std::string which = own.substr(is_query ? kQuery.size() : kKeyValue.size());
    return Correspondence{{{"vision_model.head.attention.in_proj_" + which, is_query ? 0 : rows / 2, rows}}};
  }
  if (auto found = of_block(own)) return found;
  if (auto found = is_clip ? renamed(own, kClipNames, "") : renamed(own, kSiglipNames, "")) return found;
  return own == "logit_scale" ? std::optional(Correspondence{{{own}}}) : std::nullopt;
}

std::int64_t rows_of(at::IntArrayRef shape) { return shape.empty() ? 1 : shape[0]; }

}  // namespace

NamedTensors from_hugging_face(const NamedTensors& theirs, const std::vector<NamedShape>& own, HuggingFaceKind kind) {
  const std::map<std::string, at::Tensor> by_name(theirs.begin(), theirs.end());
  std::set<std::string> used;
  NamedTensors result;
  for (const NamedShape& spec : own) {
    const std::optional<Correspondence> known = correspondence(spec.name, rows_of(spec.shape), kind);
    if (!known) continue;  // match_weights tells that it is missing
    const Correspondence& from = *known;
    std::vector<at::Tensor> parts;
    for (const Piece& piece : from.pieces) {
      const auto found = by_name.find(piece.name);
      if (found == by_name.end()) continue;
      used.insert(piece.name);
      const at::Tensor& whole = found->second;
      const bool is_part = piece.rows > 0 && whole.dim() > 0;
      parts.push_back(is_part ? whole.slice(0, piece.begin, piece.begin + piece.rows) : whole);
    }
    if (parts.size() != from.pieces.size()) continue;
    const bool are_alike = std::ranges::all_of(parts, [&](const at::Tensor& part) {
      return part.dim() > 0 && part.sizes().slice(1) == parts[0].sizes().slice(1);
    });
    if (parts.size() > 1 && !are_alike) {
      throw input_error("{} and its neighbours have shapes that do not fit together: is the file damaged?",
                        from.pieces[0].name);
    }
    at::Tensor tensor = parts.size() == 1 ? parts[0] : at::cat(parts);
    if (from.form == Form::transposed && tensor.dim() == 2) tensor = tensor.t().contiguous();
    if (from.form == Form::with_first_axis) tensor = tensor.unsqueeze(0);
    result.emplace_back(spec.name, tensor);
  }
  for (const auto& [name, tensor] : theirs) {
    if (!used.contains(name) && !name.ends_with("embeddings.position_ids")) result.emplace_back(name, tensor);
  }
  return result;
}

NamedTensors to_hugging_face(const NamedTensors& own, HuggingFaceKind kind) {
  std::map<std::string, std::map<std::int64_t, at::Tensor>> parts;  // of theirs, by their first row
  for (const auto& [name, tensor] : own) {
    const std::optional<Correspondence> known = correspondence(name, rows_of(tensor.sizes()), kind);
    if (!known) throw internal_error("{} has no name in transformers", name);
    const Correspondence& to = *known;
    at::Tensor theirs = tensor;
    if (to.form == Form::transposed) theirs = tensor.t().contiguous();
    if (to.form == Form::with_first_axis) theirs = tensor.squeeze(0);
    if (to.form == Form::scalar) theirs = tensor.reshape({1});
    const auto count = std::ssize(to.pieces);
    const std::int64_t rows = rows_of(theirs.sizes()) / count;
    for (std::int64_t i = 0; i < count; ++i) {
      const Piece& piece = to.pieces[static_cast<std::size_t>(i)];
      parts[piece.name][piece.begin] = count == 1 ? theirs : theirs.slice(0, i * rows, (i + 1) * rows);
    }
  }
  NamedTensors result;
  for (const auto& [name, of_rows] : parts) {
    std::vector<at::Tensor> tensors;
    for (const auto& [begin, tensor] : of_rows) tensors.push_back(tensor);
    result.emplace_back(name, tensors.size() == 1 ? tensors[0].contiguous() : at::cat(tensors));
  }
  return result;
}

}  // namespace clip_hpc
