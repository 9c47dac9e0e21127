#include "clip_hpc/model/arena/initial.hpp"

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/random.hpp"

namespace clip_hpc {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

struct Distribution {
  enum class Kind { constant, normal, uniform } kind;
  double value;  // the constant, the standard deviation, or the half width
};

Distribution constant(double value) { return {Distribution::Kind::constant, value}; }
Distribution normal(double deviation) { return {Distribution::Kind::normal, deviation}; }
Distribution uniform(double half_width) { return {Distribution::Kind::uniform, half_width}; }

Distribution open_clip_distribution(const ParameterSpec& spec, const ModelConfig& config) {
  const std::string& name = spec.name;
  const bool image = name.rfind("visual.", 0) == 0;
  const auto vision_width = static_cast<double>(config.vision.width);
  const auto text_width = static_cast<double>(config.text.width);
  if (name == "logit_scale") return constant(config.init_logit_scale);
  if (name == "token_embedding.weight") return normal(0.02);
  if (name == "positional_embedding") return normal(0.01);
  if (name == "text_projection") return normal(std::pow(text_width, -0.5));
  if (name == "visual.class_embedding" || name == "visual.positional_embedding" || name == "visual.proj") {
    return normal(std::pow(vision_width, -0.5));
  }
  if (name.find("ln_") != std::string::npos) return constant(ends_with(name, ".weight") ? 1.0 : 0.0);
  if (ends_with(name, "in_proj_bias") || ends_with(name, "out_proj.bias")) return constant(0.0);
  if (!image) {
    const double residual = std::pow(text_width, -0.5) * std::pow(2.0 * static_cast<double>(config.text.layers), -0.5);
    if (ends_with(name, "attn.in_proj_weight")) return normal(std::pow(text_width, -0.5));
    if (ends_with(name, "out_proj.weight") || ends_with(name, "c_proj.weight")) return normal(residual);
    if (ends_with(name, "c_fc.weight")) return normal(std::pow(2.0 * text_width, -0.5));
  }
  // What is left follows torch: Xavier-uniform packed projections; linear and convolution weights and biases uniform in
  // +-1 / sqrt(fan in).
  if (ends_with(name, "attn.in_proj_weight")) {
    return uniform(std::sqrt(6.0 / static_cast<double>(spec.shape[0] + spec.shape[1])));
  }
  double fan_in = static_cast<double>(spec.numel) / static_cast<double>(spec.shape[0]);
  if (ends_with(name, "c_fc.bias")) fan_in = image ? vision_width : text_width;
  if (ends_with(name, "c_proj.bias")) {
    fan_in = static_cast<double>(image ? config.vision.mlp_width() : config.text.mlp_width());
  }
  return uniform(1.0 / std::sqrt(fan_in));
}

Distribution clip_hpc_distribution(const ParameterSpec& spec, const ModelConfig& config) {
  const std::string& name = spec.name;
  const bool image = name.rfind("visual.", 0) == 0;
  const double width = static_cast<double>(image ? config.vision.width : config.text.width);
  const double layers = static_cast<double>(image ? config.vision.layers : config.text.layers);
  const double residual = std::pow(width, -0.5) * std::pow(2.0 * layers, -0.5);
  if (name == "token_embedding.weight") return normal(0.5);
  if (name == "positional_embedding" || name == "visual.positional_embedding") return normal(0.1);
  if (ends_with(name, "attn.in_proj_weight")) return normal(std::pow(width, -0.5));
  if (ends_with(name, "out_proj.weight") || ends_with(name, "c_proj.weight")) return normal(residual);
  if (ends_with(name, "c_fc.weight")) return normal(std::pow(2.0 * width, -0.5));
  if (ends_with(name, "c_fc.bias") || ends_with(name, "c_proj.bias")) return constant(0.0);
  return open_clip_distribution(spec, config);
}

}  // namespace

void initialise_weights(ParameterArena& arena, const ModelConfig& config, const std::string& scheme,
                        std::uint64_t seed) {
  for (std::size_t index = 0; index < arena.specs().size(); ++index) {
    const ParameterSpec& spec = arena.specs()[index];
    const Distribution d =
        scheme == "open_clip" ? open_clip_distribution(spec, config) : clip_hpc_distribution(spec, config);
    const at::Tensor values = at::empty({spec.numel}, at::kFloat);
    float* out = values.data_ptr<float>();
    RandomStream stream(seed, Purpose::init, xxh64(std::as_bytes(std::span(spec.name))));
    for (std::int64_t i = 0; i < spec.numel; ++i) {
      switch (d.kind) {
        case Distribution::Kind::constant:
          out[i] = static_cast<float>(d.value);
          break;
        case Distribution::Kind::normal:
          out[i] = static_cast<float>(d.value * stream.normal());
          break;
        case Distribution::Kind::uniform:
          out[i] = static_cast<float>(stream.uniform(-d.value, d.value));
          break;
      }
    }
    arena.set_parameter(index, values);
  }
}

}  // namespace clip_hpc
