// How the rows of a global batch lie on the ranks: in rank order, each rank's rows side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace clip_hpc {

struct BatchSplit {
  std::vector<std::int64_t> rows_per_rank;
  int rank = 0;

  std::int64_t rows() const { return rows_per_rank[static_cast<std::size_t>(rank)]; }  // of this rank
  std::int64_t first() const {                                                         // of this rank's rows
    return std::accumulate(rows_per_rank.begin(), rows_per_rank.begin() + rank, std::int64_t{0});
  }
  std::int64_t global() const { return std::accumulate(rows_per_rank.begin(), rows_per_rank.end(), std::int64_t{0}); }
};

// As even as possible, and the split of the sample plan. Throws input where a rank would have no row; `key` names the
// setting in the message.
BatchSplit even_split(std::int64_t global_batch, int ranks, int rank, const char* key);

}  // namespace clip_hpc
