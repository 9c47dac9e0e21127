// What other formats must know of timm's Vision Transformers beside their parameters.
#pragma once

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

Gelu timm_vit_activation(const Json& vision_cfg);  // of a section that such a tower wrote

}  // namespace clip_hpc
