// An image tower, a text tower and a logit scale over one ParameterArena, with open_clip's parameter names, shapes and
// arithmetic.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/packed_captions.hpp"
#include "clip_hpc/model/layers/projection_head.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/ops/pixels.hpp"

namespace clip_hpc {

struct ParameterCounts {
  std::int64_t image = 0, text = 0, total = 0;  // total: both towers, the logit scale and bias
};

// Towers that are not trained (LiT: the image tower), but for their last groups: the projection is one, each block is
// one, the last block with the norm behind it, and the stem.
struct Freezing {
  bool image = false, text = false;
  std::int64_t unlocked_groups = 0;
};

class ClipModel {
 public:
  // Declares the parameters and takes no memory for them: what can be asked is how they are called and what they cost.
  explicit ClipModel(const ModelConfig& config);

  // And allocates them; weights are zero until initialise() or a restore. `share`: what this rank keeps of the master
  // weights (comm.shard_optimizer). Of a tower that is frozen a training pass computes what an evaluation does.
  ClipModel(const ModelConfig& config, at::ScalarType compute, at::Device device = at::kCPU, ArenaShare share = {},
            const Freezing& freezing = {});

  ClipModel(const ClipModel&) = delete;  // the towers look at this arena
  ClipModel& operator=(const ClipModel&) = delete;

  // `scheme`: open_clip or clip_hpc (initial.hpp). A parameter's values depend on its name and the seed alone.
  void initialise(const std::string& scheme, std::uint64_t seed) { arena_.initialise(scheme, seed); }

  const ImageTower& image() const { return *image_; }
  const TextTower& text() const { return *text_; }
  const char* image_kind() const { return image_kind_; }  // names of their rows
  const char* text_kind() const { return text_kind_; }

  // pixels [batch, 3, size, size], normalised, compute type -> features [batch, embed_dim], not normalised.
  // `kept`: [batch, n] int64, indices of the patches that are encoded (FLIP); all patches without it. `training`: what
  // is drawn or counted in training alone. `branch_scales`: see Pass.
  at::Tensor encode_image(const at::Tensor& pixels, const std::optional<at::Tensor>& kept = std::nullopt,
                          bool training = false, const at::Tensor& branch_scales = {}) const;

  // A further view of the image: [batch, image().width()], and what a self-supervised term makes of it, [rows, width of
  // the head]. Only of a model with a head; the second is collective over the ranks of take_statistics_over. Running
  // statistics of the tower are those of the first view, which an evaluation sees.
  at::Tensor encode_view(const at::Tensor& pixels, const at::Tensor& branch_scales) const;
  at::Tensor project_view(const at::Tensor& pooled) const;
  const std::optional<ProjectionHead>& head() const { return head_; }

  // Its two halves: the pooled image [batch, image().width()], and the projection of that.
  at::Tensor pooled_image(const at::Tensor& pixels) const;
  at::Tensor project_image(const at::Tensor& pooled) const { return image_->project(pooled); }

  // ids [batch, tokens] int64, tokens <= text().context() -> features [batch, embed_dim], not normalised.
  at::Tensor encode_text(const at::Tensor& ids, bool training = false) const;

  // The same features without the work on what stands behind the ends. Only where can_pack().
  at::Tensor encode_text(const PackedCaptions& captions, bool training = false) const;
  bool can_pack() const { return text_->can_pack(); }

  // Whether backward computes the blocks again instead of keeping their activations. Gradients are the same.
  void recompute_blocks(bool on) { recompute_ = on; }
  // The ranks that a training pass takes batch statistics over (BatchNorm); it is collective then. They outlive it.
  void take_statistics_over(Communicator& ranks) { statistics_ = &ranks; }

  // Forward multiply-adds of one pair, as the paper counts compute: `kept` patches of the image, `text_tokens`
  // positions of the text. `image_size`: 0 is the model's.
  double forward_macs(std::int64_t kept, std::int64_t text_tokens, std::int64_t image_size = 0) const;
  // Of so many further views of a pair, with their head.
  double further_view_macs(std::int64_t views, std::int64_t image_size = 0) const;
  // The attention calls of both towers for `rows` pairs.
  std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t kept, std::int64_t text_tokens) const;
  ParameterCounts parameter_counts() const;

  // Scalars in fp32, in a model of bfloat16 too: there 100 would be 98.9, and a step of the scale 3 %.
  at::Tensor logit_scale() const { return arena_.exact(logit_scale_); }  // ln of the scale
  at::Tensor logit_bias() const { return logit_bias_ ? arena_.exact(*logit_bias_) : at::Tensor(); }
  std::size_t logit_scale_index() const { return logit_scale_; }
  const ModelConfig& config() const { return config_; }
  at::Device device() const { return arena_.parameter(0).device(); }
  ParameterArena& arena() { return arena_; }
  const ParameterArena& arena() const { return arena_; }

 private:
  Pass image_pass(bool training, const at::Tensor& branch_scales) const;
  Pass pass(bool training) const { return {training, recompute_, statistics_}; }

  ModelConfig config_;
  ParameterArena arena_;
  Freezing freezing_;
  bool recompute_ = false;
  Communicator* statistics_ = nullptr;
  const char *image_kind_, *text_kind_;
  std::unique_ptr<TextTower> text_;
  std::unique_ptr<ImageTower> image_;
  std::optional<ProjectionHead> head_;
  std::int64_t text_parameters_ = 0, head_parameters_ = 0;
  std::size_t logit_scale_ = 0;
  std::optional<std::size_t> logit_bias_;
};

// Features of unit length, in fp32 or, where they are fp64, that. [n, embed_dim] -> [n, embed_dim]
at::Tensor normalise_features(const at::Tensor& features);

}  // namespace clip_hpc
