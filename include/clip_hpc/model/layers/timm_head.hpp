// How open_clip hangs a trunk of timm into CLIP: the keys timm_* of vision_cfg and the head behind the trunk, whose
// parameters are visual.head.* (its src/open_clip/timm_model.py).
#pragma once

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

class ModelSection;

struct TimmConfig {
  std::string name;  // timm_model_name
  std::int64_t image_size = 224;
  std::string pool = "avg";
  std::string projection = "linear";  // or mlp, none, or empty: the trunk's own classifier, as timm_proj null says
  double patch_dropout = 0;           // in training
  bool projection_bias = false;
  std::optional<double> drop_path;  // how often a sample skips the deepest branch; none: the section does not say

  bool operator==(const TimmConfig&) const = default;
};

// All keys that such a section has; other keys of the trunk are read by the caller before section.finish(). Throws
// input for what this build has not. Of a Vision Transformer more is possible: other pools, its own classifier as
// projection, patches that are left out.
TimmConfig read_timm_config(ModelSection& section, const std::string& model, bool is_vit = false);
Json to_json(const TimmConfig& config);

// Whether a section is of a trunk whose timm_model_name begins so.
bool names_timm_trunk(const Json& vision_cfg, std::string_view beginning);

// The row of this name. Throws input, naming all.
template <class Variants>
const auto& timm_variant(const Variants& variants, const std::string& name, const std::string& model) {
  std::vector<std::string> names;
  for (const auto& variant : variants) {
    if (name == variant.name) return variant;
    names.emplace_back(variant.name);
  }
  throw input_error("model {}: timm_model_name = {} is not known; known are {}", model, name, fmt::join(names, ", "));
}

// Stochastic depth is off unless the section asks for it. The note says that it is on, or that open_clip would train
// such a section with timm's own rate.
double drop_path(const TimmConfig& config);
std::string depth_note(const TimmConfig& config, double timms_own = 0);

class TimmHead {
 public:
  TimmHead() = default;
  // `width`: of the trunk's features. Throws input where the two do not fit.
  TimmHead(ParameterArena& arena, const std::string& prefix, const TimmConfig& config, std::int64_t width,
           const TowerFacts& facts);

  at::Tensor operator()(const ParameterArena& arena, const at::Tensor& pooled) const;  // [batch, width] -> embed_dim
  double macs() const { return macs_; }

 private:
  std::vector<Affine> layers_;  // none, one matrix, or the two of an MLP
  double macs_ = 0;
};

}  // namespace clip_hpc
