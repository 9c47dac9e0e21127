// Image-text retrieval on all ranks. Places are counted in blocks of one shape (ranking.hpp), so every number is the
// same for any number of ranks.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

struct RetrievalOutcome {
  std::map<std::string, double> metrics;  // image_retrieval_recall@k, text_retrieval_recall@k for k = 1, 5, 10
  std::int64_t images = 0, texts = 0;
  bool finite = true;  // every feature is a number
};

// Collective. A text query finds its image; an image query counts when any of its captions is among the k best. Places
// as places_of_own counts them.
RetrievalOutcome evaluate_retrieval(const EvalContext& context, const PackedSet& set, bool first_caption_only);

}  // namespace clip_hpc
