// Text features on all ranks, of texts and of classes. Texts are computed in blocks of fixed size (features.hpp), so
// every number is the same for any number of ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

// Collective. Unit features of texts, which go round the ranks. [texts, embed_dim] fp32
at::Tensor text_features(const EvalContext& context, const std::vector<std::string>& texts);

// One unit feature a class, {c} or {} replaced by its name: mean of the unit features of its prompts, normalised again.
// Remembered in context.memo. [classes, embed_dim]
at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates);

}  // namespace clip_hpc
