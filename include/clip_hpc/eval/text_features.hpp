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

// Prompts that are cut before the end of their class name: what the model is asked then has nothing to do with it.
struct LostNames {
  std::int64_t prompts = 0;
  std::string example;  // the first of them, whole
};
LostNames lost_names(const Tokenizer& tokenizer, std::int64_t context, const std::vector<std::string>& names,
                     const std::vector<std::string>& templates);

// One unit feature a class, {c} or {} replaced by its name: mean of the unit features of its prompts, normalised again.
// Remembered in context.memo. [classes, embed_dim]
at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates);

}  // namespace clip_hpc
