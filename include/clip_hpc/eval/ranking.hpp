// Where each query finds its own keys among all keys, without the matrix of all scores: queries and keys meet in blocks
// of one shape, so every score is the same for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

inline constexpr std::int64_t kKeyBlock = 1024;  // keys that are scored together: memory is kEvalBlock x kKeyBlock

// Collective; the same features on all ranks, query blocks go round them. Own keys of a query are those of equal owner.
// The place, from 0, of a query's best own key: the number of keys with a higher score. Of equal scores the lower index
// comes first, one of the orders that torch.topk (CLIP_benchmark's) may give, so that a model that scores everything
// alike stays at chance. A query without a key of its own, or with scores that are not numbers, has the place
// keys.size(0).
std::vector<std::int64_t> places_of_own(Communicator& comm, const at::Tensor& queries, const at::Tensor& keys,
                                        const std::vector<std::int64_t>& query_owner,
                                        const std::vector<std::int64_t>& key_owner);

// Share of the places below k, 0..1; 0 where there are none.
double recall_at(const std::vector<std::int64_t>& places, std::int64_t k);

// The k best keys of each query, best first, of equal scores the lower index first. [queries, k] each, on this rank.
struct BestKeys {
  at::Tensor scores;   // fp32
  at::Tensor indices;  // int64
};
BestKeys best_keys(const at::Tensor& queries, const at::Tensor& keys, std::int64_t k);

}  // namespace clip_hpc
