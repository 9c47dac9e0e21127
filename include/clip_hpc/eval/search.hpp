// The images of packed sets that fit a text best, as numbers and as one HTML page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

struct Match {
  std::size_t set = 0;      // among those that were searched
  std::uint64_t index = 0;  // in the set
  double score = 0;         // cosine similarity
};

// Collective, the same on all ranks. For each query its `count` best images of all sets, best first; of equal scores
// the earlier set, then the lower index.
std::vector<std::vector<Match>> search_images(const EvalContext& context, std::span<const PackedSet> sets,
                                              const std::vector<std::string>& queries, std::int64_t count);

// A page that needs nothing else: thumbnails, scores, ids (the sample's uid) and captions.
std::string search_page(std::span<const PackedSet> sets, const std::vector<std::string>& queries,
                        const std::vector<std::vector<Match>>& matches, const std::string& model);

}  // namespace clip_hpc
