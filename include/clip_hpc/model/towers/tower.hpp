// What a model knows of its towers, and the tables of the towers that this build has.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/layers/packed_captions.hpp"
#include "clip_hpc/ops/attention_choice.hpp"

namespace clip_hpc {

struct Pass {  // how a forward pass is meant
  bool training = false;
  bool recompute = false;              // backward computes the blocks again; gradients have the same bits
  Communicator* statistics = nullptr;  // the ranks over which batch statistics are taken; null: this rank alone
  at::Tensor branch_scales = {};  // [batch, drop_rates()] fp32: stochastic depth's draw; undefined: every branch counts
  bool moves_statistics = true;   // a training pass moves BatchNorm's running mean and variance
};

// Forward multiply-adds of one sample. Whole numbers below 2^53: sums of them are exact.
struct Cost {
  double fixed = 0, per_token = 0, per_token_squared = 0;
  // tokens: encoded patches of an image, computed positions of a text; the class token is in the coefficients.
  double macs(double tokens) const { return fixed + per_token * tokens + per_token_squared * tokens * tokens; }
};

class ImageTower {
 public:
  ImageTower() = default;
  ImageTower(const ImageTower&) = delete;
  ImageTower& operator=(const ImageTower&) = delete;
  virtual ~ImageTower() = default;

  virtual std::int64_t image_size() const = 0;
  virtual std::int64_t width() const = 0;    // of the pooled features
  virtual std::int64_t patches() const = 0;  // 0: none can be left out

  // Images whose side is a multiple of this can be encoded too, in training: a shorter sequence or smaller maps;
  // learned positions are interpolated. 0: of image_size() alone.
  virtual std::int64_t size_step() const { return 0; }
  std::int64_t patches_at(std::int64_t size) const;
  // Multiply-adds of an image of that side; beside image_size() of all that is no patch by the number of pixels.
  double macs_at(std::int64_t size, std::int64_t kept) const;

  // pixels [batch, 3, size, size], normalised, compute type -> [batch, width]. `kept` [batch, n] int64: the patches
  // that are encoded; all of them without it.
  virtual at::Tensor pooled(const at::Tensor& pixels, const std::optional<at::Tensor>& kept,
                            const Pass& pass) const = 0;
  virtual at::Tensor project(const at::Tensor& pooled) const = 0;  // [batch, width] -> [batch, embed_dim]

  // Whether a training pass depends on the other rows of its batch (BatchNorm), so that it can be neither cut into
  // micro-batches nor computed again.
  virtual bool has_batch_statistics() const { return false; }

  virtual Cost cost() const = 0;  // with the projection
  // The attention calls that a pass over `rows` images of `kept` patches makes, one of each kind; none: no attention.
  virtual std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t kept) const = 0;
  virtual Json to_json() const = 0;  // vision_cfg, with all that was left to a default
  // Of each residual branch in the order of the forward pass, how often a sample skips it in training; none: never.
  virtual std::vector<double> drop_rates() const { return {}; }
  // What a user who trains it should know of its configuration, in a line; empty: nothing.
  virtual std::string training_note() const { return {}; }
};

class TextTower {
 public:
  TextTower() = default;
  TextTower(const TextTower&) = delete;
  TextTower& operator=(const TextTower&) = delete;
  virtual ~TextTower() = default;

  virtual std::int64_t width() const = 0;
  virtual std::int64_t context() const = 0;  // positions, at most
  virtual std::int64_t vocab_size() const = 0;
  virtual std::int64_t end_token() const = 0;  // the id at whose first place the feature is taken, or the largest id
  virtual bool can_pack() const = 0;           // what stands behind a caption's end changes nothing

  // ids [batch, tokens] int64, tokens <= context -> [batch, width]
  virtual at::Tensor pooled(const at::Tensor& ids, const Pass& pass) const = 0;
  virtual at::Tensor pooled(const PackedCaptions& captions, const Pass& pass) const = 0;  // only where can_pack()
  virtual at::Tensor project(const at::Tensor& pooled) const = 0;                         // -> [batch, embed_dim]

  virtual Cost cost() const = 0;
  virtual std::vector<AttentionShape> attention_shapes(std::int64_t rows, std::int64_t tokens) const = 0;
  virtual Json to_json() const = 0;  // text_cfg, with all that was left to a default
};

// What the top level of a model's JSON says to both towers.
struct TowerFacts {
  std::string model;  // name, for messages
  std::int64_t embed_dim = 0;
  bool quick_gelu = false;
};

struct Vocabulary {  // of the tokenizer that a text tower is to be used with
  std::int64_t size = 0, end_token = 0;
  bool is_clip = false;  // CLIP's own, whose largest id is the end token
};

// One row of a table of towers. `reads`: whether a section of the JSON is one of this kind. `declare` checks the
// section, throwing input with the key and its value, and declares the parameters, whose names begin with `prefix`;
// they live in the arena, which must outlive the tower.
struct ImageTowerKind {
  const char* name;
  const char* help;  // by which keys it is known, and what it is
  bool (*reads)(const Json& vision_cfg);
  std::unique_ptr<ImageTower> (*declare)(ParameterArena& arena, const Json& vision_cfg, const TowerFacts& facts,
                                         const std::string& prefix);
};

struct TextTowerKind {
  const char* name;
  const char* help;
  bool (*reads)(const Json& text_cfg);
  std::unique_ptr<TextTower> (*declare)(ParameterArena& arena, const Json& text_cfg, const TowerFacts& facts,
                                        const std::string& prefix);
  // The section for this vocabulary: with its end token. Throws input where the two do not fit.
  Json (*with_vocabulary)(Json text_cfg, const Vocabulary& vocabulary, const std::string& model);
};

std::span<const ImageTowerKind* const> image_towers();
std::span<const TextTowerKind* const> text_towers();

// The row that reads a section. Throws input, naming all rows, where there is none.
const ImageTowerKind& image_tower_of(const Json& vision_cfg, const std::string& model);
const TextTowerKind& text_tower_of(const Json& text_cfg, const std::string& model);

}  // namespace clip_hpc
