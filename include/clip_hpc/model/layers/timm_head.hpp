// How open_clip hangs a trunk of timm into CLIP: the keys timm_* of vision_cfg and the head behind the trunk, whose
// parameters are visual.head.* (its src/open_clip/timm_model.py).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/layers/affine.hpp"
#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

class ModelSection;

struct TimmConfig {
  std::string name;  // timm_model_name
  std::int64_t image_size = 224;
  std::string pool = "avg", projection = "linear";
  bool projection_bias = false;
  double drop_path = 0;  // share of samples that skip a branch, of the deepest branch

  bool operator==(const TimmConfig&) const = default;
};

// All keys that such a section has; other keys of the trunk are read by the caller before section.finish(). `drop_path`:
// timm's own default for this trunk, for a section that does not say. Throws input for what this build has not.
TimmConfig read_timm_config(ModelSection& section, const std::string& model, double drop_path);
Json to_json(const TimmConfig& config);

// Throws input where training would need stochastic depth.
void check_drop_path(const TimmConfig& config, const std::string& model);

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
