// The cost of a ViT by its JSON, for planning on machines without LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {
inline namespace study_models {

struct VisionConfig {
  std::int64_t image_size = 224;
  std::int64_t patch_size = 32;
  std::int64_t width = 768;
  std::int64_t layers = 12;
  std::int64_t head_width = 64;
  double mlp_ratio = 4.0;
  std::string pool_type = "tok";  // tok: class token; avg: mean of the patches
  bool no_ln_pre = false;
  std::int64_t grid() const { return image_size / patch_size; }
  std::int64_t patches() const { return grid() * grid(); }
  std::int64_t heads() const { return width / head_width; }
  std::int64_t mlp_width() const { return static_cast<std::int64_t>(static_cast<double>(width) * mlp_ratio); }
};

struct TextConfig {
  std::int64_t context_length = 77;
  std::int64_t vocab_size = 49408;
  std::int64_t width = 512;
  std::int64_t heads = 8;
  std::int64_t layers = 12;
  double mlp_ratio = 4.0;
  bool no_causal_mask = false;
  std::string pool_type = "argmax";  // argmax: position of the largest id; last: the last position; eos: first eos_id
  std::int64_t eos_id = 2;
  std::int64_t mlp_width() const { return static_cast<std::int64_t>(static_cast<double>(width) * mlp_ratio); }
};

// Pixels as the image tower sees them: (x / 255 - mean) / std, per channel.
struct PixelNorm {
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};
};

struct ModelConfig {
  std::string name;  // stem of the JSON file
  std::int64_t embed_dim = 512;
  bool quick_gelu = false;
  double init_logit_scale = 2.6592600369327779;  // ln(1 / 0.07)
  VisionConfig vision;
  TextConfig text;
  PixelNorm norm;
};

ModelConfig parse_model_config(const Json& json, const std::string& name);  // throws input, naming the key
ModelConfig read_model_config(const std::filesystem::path& path);

// Forward multiply-adds of one image-text pair, both towers, as the paper counts compute. `kept` patches of the image
// (all of them unless FLIP drops some), `text_tokens` positions of the text.
double forward_macs(const ModelConfig& config, std::int64_t kept, std::int64_t text_tokens);

std::int64_t parameter_count(const ModelConfig& config);  // of both towers, projections and the logit scale

}  // namespace study_models
}  // namespace clip_hpc
