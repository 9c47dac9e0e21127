// Captions as the tensor that a text tower is given.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/model/towers/tower.hpp"
#include "clip_hpc/text/tokenizer.hpp"

namespace clip_hpc {

// Ids [n, context] with their lengths -> [n, longest of them] int64, cut at the longest where the model's pooling
// allows it: under a causal mask what follows the end token cannot change it. `multiple_of`: the cut is rounded up.
at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, const TextTower& tower,
                       std::int64_t multiple_of = 1);

// Captions to ids [n, longest of them] int64, cut at the end token where the model's pooling allows it.
at::Tensor token_ids(const Tokenizer& tokenizer, const TextTower& tower, std::span<const std::string> captions);

}  // namespace clip_hpc
