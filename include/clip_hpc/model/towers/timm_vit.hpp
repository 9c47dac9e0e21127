// What other formats must know of timm's Vision Transformers beside their parameters.
#pragma once

#include <string>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

Gelu timm_vit_activation(const Json& vision_cfg);  // of a section that such a tower wrote

// The name of SigLIP's image tower of this size, as timm_model_kwargs have it; empty: timm has none.
std::string timm_siglip_name(const Json& kwargs);

}  // namespace clip_hpc
