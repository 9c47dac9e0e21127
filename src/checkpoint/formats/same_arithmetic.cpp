#include "clip_hpc/checkpoint/formats/same_arithmetic.hpp"

#include <fmt/ranges.h>

#include <array>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/model/towers/timm_vit.hpp"

namespace clip_hpc {
namespace {

// Of tower sections: what changes a model's arithmetic and no tensor's shape. Other differences are told by the shapes.
constexpr std::array kArithmetic{"act_kwargs", "norm_kwargs",         "pool_type",     "no_ln_pre",
                                 "head_width", "final_ln_after_pool", "no_causal_mask"};

Json heads_of(const ModelConfig& config, bool image) {
  const ClipModel model(config);
  const auto shapes = image ? model.image().attention_shapes(1, 1) : model.text().attention_shapes(1, 1);
  return shapes.empty() ? Json() : Json(shapes.front().heads);
}

// Which GELU, where the section does not say it by a key of its own.
Json gelu_of(const ModelConfig& config, bool image) {
  const bool is_timm_vit = image && std::string_view(image_tower_of(config.vision, config.name).name) == "timm_vit";
  if (is_timm_vit) return timm_vit_activation(config.vision) == Gelu::tanh ? "gelu_tanh" : "gelu";
  const bool is_own_vit = !image || std::string_view(image_tower_of(config.vision, config.name).name) == "vit";
  return is_own_vit && config.quick_gelu ? "quick_gelu" : "gelu";
}

// Of a ResNet, whether it pools behind its stem: no tensor says it.
Json max_pool_of(const Json& section) {
  const auto kwargs = section.find("timm_model_kwargs");
  return kwargs == section.end() ? Json(true) : kwargs->value("max_pool", Json(true));
}

}  // namespace

void check_same_arithmetic(const ModelConfig& theirs, const ModelConfig& own, bool image, const std::string& where) {
  const auto compare = [&](const std::string& key, const Json& there, const Json& here) {
    if (there == here) return;
    throw input_error("{}: its weights were trained with {} = {}, the model's JSON ({}) says {}: use the same", where,
                      key, there.dump(), own.name, here.dump());
  };
  const Json &there = image ? theirs.vision : theirs.text, &here = image ? own.vision : own.text;
  compare("activation", gelu_of(theirs, image), gelu_of(own, image));
  compare("heads", heads_of(theirs, image), heads_of(own, image));
  for (const char* key : kArithmetic) compare(key, there.value(key, Json()), here.value(key, Json()));
  if (!image) return;
  compare("timm_model_kwargs.max_pool", max_pool_of(there), max_pool_of(here));
  if (theirs.norm.mean != own.norm.mean || theirs.norm.std != own.norm.std) {
    log_info(
        "warning: {}: its images were normalised with mean {:.3f} and deviation {:.3f}, this model's with {:.3f} and "
        "{:.3f}",
        where, fmt::join(theirs.norm.mean, " "), fmt::join(theirs.norm.std, " "), fmt::join(own.norm.mean, " "),
        fmt::join(own.norm.std, " "));
  }
  if (!theirs.view.empty() && theirs.view != test_view(own, kModelView)) {
    log_info("{}: its images were resized by the view {}, this model's are tested by {}", where, theirs.view,
             test_view(own, kModelView));
  }
}

}  // namespace clip_hpc
