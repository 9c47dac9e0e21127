// Similarity of image and text of every sample of a packed set, by a frozen CLIP: what data is filtered by.
#pragma once

#include <functional>
#include <vector>

#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

// Collective. [samples], the same on all ranks and for any number of ranks: the cosine of image and caption; of several
// captions their mean. Not a number where the picture cannot be decoded. Throws input when the model itself gives no
// numbers. `tell` hears on rank 0, now and then, how many samples of the set are done.
std::vector<float> score(const EvalContext& context, const PackedSet& set,
                         const std::function<void(std::int64_t)>& tell = {});

}  // namespace clip_hpc
