// A trunk of timm alone (model.safetensors of its repositories), as the start of an image tower: read, never written.
#pragma once

#include "clip_hpc/checkpoint/formats/format.hpp"

namespace clip_hpc {

WeightFormat timm_trunk_format();  // row of the table

}  // namespace clip_hpc
