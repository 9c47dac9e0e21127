#include "clip_hpc/model/clip_model.hpp"

#include <cmath>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr int kTextPart = 0, kImagePart = 1;  // in the order of declaration

}  // namespace

ClipModel::ClipModel(const ModelConfig& config) : config_(config) {
  const TowerFacts facts{config.name, config.embed_dim, config.quick_gelu};
  const TextTowerKind& text = text_tower_of(config.text, config.name);
  const ImageTowerKind& image = image_tower_of(config.vision, config.name);
  text_kind_ = text.name;
  image_kind_ = image.name;
  // Text first and image last: backward runs the other way, and the larger image tower finishes its slices first.
  text_ = text.declare(arena_, config.text, facts, config.custom_text ? "text." : "");
  text_parameters_ = arena_.declared_numel();
  arena_.begin_part();
  image_ = image.declare(arena_, config.vision, facts, "visual.");
  arena_.begin_part();
  logit_scale_ = arena_.declare("logit_scale", {},
                                {.decay = false,
                                 .initial = constant(config.init_logit_scale),
                                 .limits = Range{0.0, std::log(100.0)},
                                 .in_fp32 = true});
  if (config.init_logit_bias) {
    logit_bias_ = arena_.declare("logit_bias", {},
                                 {.decay = false, .initial = constant(*config.init_logit_bias), .in_fp32 = true});
  }
  if (config.head) {
    head_parameters_ = -arena_.declared_numel();
    arena_.begin_part();
    head_.emplace(arena_, image_->width(), *config.head);
    head_parameters_ += arena_.declared_numel();
  }
}

ClipModel::ClipModel(const ModelConfig& config, at::ScalarType compute, at::Device device, ArenaShare share,
                     const Freezing& freezing)
    : ClipModel(config) {
  freezing_ = freezing;
  arena_.freeze([&](const ParameterSpec& spec) {
    const bool is_of_frozen = (spec.part == kTextPart && freezing.text) || (spec.part == kImagePart && freezing.image);
    return is_of_frozen && spec.group <= arena_.last_group(spec.part) - freezing.unlocked_groups;
  });
  arena_.allocate(compute, device, share);
}

at::Tensor ClipModel::encode_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept, bool training,
                                   const at::Tensor& branch_scales) const {
  return image_->project(image_->pooled(pixels, kept, image_pass(training, branch_scales)));
}

at::Tensor ClipModel::encode_view(const at::Tensor& pixels, const at::Tensor& branch_scales) const {
  Pass how = image_pass(true, branch_scales);
  how.moves_statistics = false;  // once a step, by the view that an evaluation sees
  return image_->pooled(pixels, std::nullopt, how);
}

at::Tensor ClipModel::project_view(const at::Tensor& pooled) const {
  if (!head_) throw internal_error("a model without a head for further views");
  return (*head_)(arena_, pooled, pass(true));
}

Pass ClipModel::image_pass(bool training, const at::Tensor& branch_scales) const {
  Pass how = pass(training && !freezing_.image);
  if (!freezing_.image) how.branch_scales = branch_scales;
  if (freezing_.image && freezing_.unlocked_groups == 0) how.recompute = false;  // there is no backward pass
  return how;
}

at::Tensor ClipModel::pooled_image(const at::Tensor& pixels) const {
  return image_->pooled(pixels, std::nullopt, pass(false));
}

at::Tensor ClipModel::encode_text(const at::Tensor& ids, bool training) const {
  return text_->project(text_->pooled(ids, pass(training)));
}

at::Tensor ClipModel::encode_text(const PackedCaptions& captions, bool training) const {
  return text_->project(text_->pooled(captions, pass(training)));
}

double ClipModel::forward_macs(std::int64_t kept, std::int64_t text_tokens, std::int64_t image_size) const {
  const std::int64_t size = image_size > 0 ? image_size : image_->image_size();
  return image_->macs_at(size, kept) + text_->cost().macs(static_cast<double>(text_tokens));
}

double ClipModel::further_view_macs(std::int64_t views, std::int64_t image_size) const {
  if (!head_) return 0;
  const std::int64_t size = image_size > 0 ? image_size : image_->image_size();
  return static_cast<double>(views) * (image_->macs_at(size, image_->patches_at(size)) + head_->macs());
}

std::vector<AttentionShape> ClipModel::attention_shapes(std::int64_t rows, std::int64_t kept,
                                                        std::int64_t text_tokens) const {
  std::vector<AttentionShape> shapes = image_->attention_shapes(rows, kept);
  const std::vector<AttentionShape> of_text = text_->attention_shapes(rows, text_tokens);
  shapes.insert(shapes.end(), of_text.begin(), of_text.end());
  return shapes;
}

ParameterCounts ClipModel::parameter_counts() const {
  const std::int64_t total = arena_.declared_numel() - head_parameters_;
  return {.image = total - text_parameters_ - (logit_bias_ ? 2 : 1), .text = text_parameters_, .total = total};
}

at::Tensor normalise_features(const at::Tensor& features) {
  const at::Tensor x = features.scalar_type() == at::kDouble ? features : features.to(at::kFloat);
  return x / x.norm(2, {-1}, true).clamp_min(1e-12);
}

}  // namespace clip_hpc
