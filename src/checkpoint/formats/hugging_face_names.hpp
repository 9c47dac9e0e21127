// What transformers' CLIPModel and SiglipModel call the weights that open_clip's models have, and how they lie there.
#pragma once

#include <string>
#include <vector>

#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

enum class HuggingFaceKind { clip, siglip };

// `theirs` by open_clip's names and in its shapes, as far as `own` asks for them and they are there; what nobody asks
// for keeps its name, so that match_weights tells of it. `position_ids`, which older files hold, are left out.
NamedTensors from_hugging_face(const NamedTensors& theirs, const std::vector<NamedShape>& own, HuggingFaceKind kind);

// The way back, of a whole model.
NamedTensors to_hugging_face(const NamedTensors& own, HuggingFaceKind kind);

}  // namespace clip_hpc
