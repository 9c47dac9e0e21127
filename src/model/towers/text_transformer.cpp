// open_clip's own text transformer.
#include <cmath>
#include <limits>

#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/layers/transformer_block.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "model/model_section.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kLargestVocabulary = std::numeric_limits<std::int32_t>::max();  // ids are 32 bits wide

struct TextConfig {
  std::int64_t context_length = 77;
  std::int64_t vocab_size = 49408;
  std::int64_t width = 512;
  std::int64_t heads = 8;
  std::int64_t layers = 12;
  double mlp_ratio = 4.0;
  bool no_causal_mask = false;
  std::string pool_type =
      "argmax";  // argmax: position of the largest id; first, last: that position; eos: first eos_id
  std::int64_t eos_id = 2;
  std::string projection = "linear";  // proj_type; or none
  bool projection_bias = false;
  BlockStyle style;
  // Which tokenizer open_clip takes. Here the run's tokenizer.model says that: they are kept for the way back.
  std::string hf_tokenizer_name;
  Json tokenizer_kwargs = nullptr;
  std::int64_t mlp_width() const { return static_cast<std::int64_t>(static_cast<double>(width) * mlp_ratio); }
};

TextConfig read_config(const Json& json, const std::string& model, bool quick_gelu) {
  TextConfig t;
  ModelSection section(json, model + ": text_cfg");
  section.read("context_length", t.context_length);
  section.read("vocab_size", t.vocab_size);
  section.read("width", t.width);
  section.read("heads", t.heads);
  section.read("layers", t.layers);
  section.read("mlp_ratio", t.mlp_ratio);
  section.read("no_causal_mask", t.no_causal_mask);
  section.read("pool_type", t.pool_type);
  section.read("eos_id", t.eos_id);
  if (section.find("hf_tokenizer_name") != nullptr) section.read("hf_tokenizer_name", t.hf_tokenizer_name);
  if (const Json* const kwargs = section.find("tokenizer_kwargs")) {
    if (!kwargs->is_object()) section.wrong("tokenizer_kwargs", "an object");
    t.tokenizer_kwargs = *kwargs;
  }
  section.known({"hf_tokenizer_name", "tokenizer_kwargs"});
  section.read_unused("tokenizer_mode");
  section.read("proj_type", t.projection);
  section.read("proj_bias", t.projection_bias);
  t.style = read_block_style(section, model, quick_gelu);
  section.read_unused({"embed_cls", "output_tokens"}, false);
  section.known(
      {"final_ln_after_pool"});  // the norm is of each position: before or behind the choice of one is the same
  section.read_unused("hf_model_name");
  section.known({"pad_id", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"});  // of embed_cls, of hf_model_name
  section.finish();
  require_sizes(model, {{"text_cfg.context_length", t.context_length},
                        {"text_cfg.width", t.width},
                        {"text_cfg.heads", t.heads},
                        {"text_cfg.layers", t.layers}});
  require_mlp_ratio(model, "text_cfg", t.mlp_ratio, t.width);
  require(t.width % t.heads == 0, model,
          fmt::format("text_cfg.width = {} must be a multiple of heads = {}", t.width, t.heads));
  require(t.context_length > 1, model, fmt::format("text_cfg.context_length = {} is too small", t.context_length));
  require(t.vocab_size > 2 && t.vocab_size <= kLargestVocabulary, model,
          fmt::format("text_cfg.vocab_size = {} must be 3 to {}", t.vocab_size, kLargestVocabulary));
  require(t.pool_type == "argmax" || t.pool_type == "first" || t.pool_type == "last" || t.pool_type == "eos", model,
          fmt::format("text_cfg.pool_type = \"{}\" must be argmax, first, last or eos", t.pool_type));
  require(t.projection == "linear" || t.projection == "none", model,
          fmt::format("text_cfg.proj_type = \"{}\" must be linear or none", t.projection));
  return t;
}

Json json_of(const TextConfig& t) {
  Json json = {{"context_length", t.context_length},
               {"vocab_size", t.vocab_size},
               {"width", t.width},
               {"heads", t.heads},
               {"layers", t.layers},
               {"mlp_ratio", t.mlp_ratio},
               {"no_causal_mask", t.no_causal_mask},
               {"pool_type", t.pool_type},
               {"eos_id", t.eos_id}};
  if (t.projection != "linear") json["proj_type"] = t.projection;
  if (t.projection_bias) json["proj_bias"] = true;
  write_block_style(t.style, json);
  if (!t.hf_tokenizer_name.empty()) json["hf_tokenizer_name"] = t.hf_tokenizer_name;
  if (!t.tokenizer_kwargs.is_null()) json["tokenizer_kwargs"] = t.tokenizer_kwargs;
  return json;
}

class TextTransformer : public TextTower {
 public:
  TextTransformer(ParameterArena& arena, TextConfig config, const TowerFacts& facts, const std::string& prefix)
      : arena_(arena),
        config_(std::move(config)),
        shape_{.width = config_.width,
               .layers = config_.layers,
               .heads = config_.heads,
               .mlp_width = config_.mlp_width(),
               .activation = config_.style.activation,
               .norm_eps = config_.style.norm_eps,
               .layer_scale = config_.style.layer_scale},
        embed_dim_(facts.embed_dim) {
    const TextConfig& t = config_;
    positions_ = arena.declare(prefix + "positional_embedding", {t.context_length, t.width},
                               {.decay = false, .position = true, .initial = {normal(0.01), normal(0.1)}});
    token_embedding_ = arena.declare(prefix + "token_embedding.weight", {t.vocab_size, t.width},
                                     {.initial = {normal(0.02), normal(0.5)}});
    blocks_ = declare_transformer(arena, prefix + "transformer", shape_, normal_block_initials(shape_));
    ln_final_ = declare_layer_norm(arena, prefix + "ln_final", t.width, t.style.norm_eps);
    arena.begin_group();
    declare_projection(arena, prefix + "text_projection", facts.model);
  }

  std::int64_t width() const override { return config_.width; }
  std::int64_t context() const override { return config_.context_length; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t end_token() const override {
    return config_.pool_type == "eos" ? config_.eos_id : config_.vocab_size - 1;
  }
  bool can_pack() const override {
    return !config_.no_causal_mask && (config_.pool_type == "argmax" || config_.pool_type == "eos");
  }

  at::Tensor pooled(const at::Tensor& ids, const Pass& pass) const override {
    const TextConfig& t = config_;
    const std::int64_t tokens = ids.size(1);
    if (tokens > t.context_length) {
      throw internal_error("{} text tokens, the context holds {}", tokens, t.context_length);
    }
    at::Tensor x = at::embedding(arena_.parameter(token_embedding_), ids) +
                   arena_.parameter(positions_).slice(0, 0, tokens);  // [batch, tokens, width]
    x = blocks_.forward(arena_, x, !t.no_causal_mask, pass.recompute);
    at::Tensor pooled;
    if (t.pool_type == "first" || t.pool_type == "last") {
      pooled = x.select(1, t.pool_type == "first" ? 0 : tokens - 1);
    } else {
      // The first position that holds the end token (the largest id for argmax) carries the sentence.
      const at::Tensor end = t.pool_type == "argmax" ? ids.argmax(1) : ids.eq(t.eos_id).to(at::kInt).argmax(1);
      pooled = x.gather(1, end.view({-1, 1, 1}).expand({x.size(0), 1, x.size(2)})).squeeze(1);
    }
    return ln_final_(arena_, pooled);
  }

  at::Tensor pooled(const PackedCaptions& captions, const Pass& pass) const override {
    at::Tensor x = at::embedding(arena_.parameter(token_embedding_), captions.ids) +
                   at::embedding(arena_.parameter(positions_), captions.positions);  // [total, width]
    x = blocks_.forward(arena_, x, true, pass.recompute, captions.groups);
    return ln_final_(arena_, x.index_select(0, captions.ends));
  }

  at::Tensor project(const at::Tensor& pooled) const override {
    if (matrix_) return at::matmul(pooled, arena_.parameter(*matrix_));
    return linear_ ? matrix_product(arena_, *linear_, pooled) : pooled;
  }

  Cost cost() const override {
    const auto width = static_cast<double>(config_.width), embed = static_cast<double>(embed_dim_);
    return {.fixed = matrix_ || linear_ ? width * embed : 0,
            .per_token = shape_.macs_per_token(),
            .per_token_squared = shape_.macs_per_token_squared()};
  }

  std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t tokens) const override {
    return {{rows, config_.heads, tokens, config_.width / config_.heads, !config_.no_causal_mask}};
  }

  Json to_json() const override { return json_of(config_); }

 private:
  // open_clip keeps a projection without a bias as a matrix [in, out], one with a bias as torch's Linear.
  void declare_projection(ParameterArena& arena, const std::string& name, const std::string& model) {
    const Distribution initial = normal(std::pow(static_cast<double>(config_.width), -0.5));
    if (config_.projection == "none") {
      require(embed_dim_ == config_.width, model,
              fmt::format("proj_type = none needs embed_dim = {}, the width of the text tower", config_.width));
    } else if (config_.projection_bias) {
      linear_ = declare_affine(arena, name, {embed_dim_, config_.width}, initial);
    } else {
      matrix_ = arena.declare(name, {config_.width, embed_dim_}, {.initial = initial});
    }
  }

  const ParameterArena& arena_;
  TextConfig config_;
  TransformerShape shape_;
  std::int64_t embed_dim_;
  std::size_t positions_, token_embedding_;
  std::optional<std::size_t> matrix_;  // the projection, in one of its two forms
  std::optional<Affine> linear_;
  LayerNorm ln_final_;
  Transformer blocks_;
};

bool reads(const Json& json) {
  const auto hf = json.find("hf_model_name");
  return hf == json.end() || hf->is_null();
}

std::unique_ptr<TextTower> declare(ParameterArena& arena, const Json& json, const TowerFacts& facts,
                                   const std::string& prefix) {
  return std::make_unique<TextTransformer>(arena, read_config(json, facts.model, facts.quick_gelu), facts, prefix);
}

Json with_vocabulary(Json json, const Vocabulary& vocabulary, const std::string& model) {
  TextConfig t = read_config(json, model, false);
  if (vocabulary.size > t.vocab_size) {
    throw input_error(
        "model {}: the tokenizer has {} pieces, the model's vocab_size is {}; pack with --train-tokenizer {} or "
        "raise vocab_size",
        model, vocabulary.size, t.vocab_size, t.vocab_size);
  }
  if (t.pool_type == "argmax" && !vocabulary.is_clip) {
    throw input_error(
        "model {}: text pool_type argmax expects CLIP's own vocabulary, whose largest id is the end token; with "
        "a SentencePiece tokenizer use eos or last",
        model);
  }
  t.eos_id = vocabulary.end_token;
  return json_of(t);
}

}  // namespace

extern const TextTowerKind kTextTransformer{"transformer", "the text transformer of open_clip: no hf_model_name", reads,
                                            declare, with_vocabulary};

}  // namespace clip_hpc
