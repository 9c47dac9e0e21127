#include "clip_hpc/comm/batch_split.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/loading/sample_plan.hpp"

namespace clip_hpc {

BatchSplit even_split(std::int64_t global_batch, int ranks, int rank, const char* key) {
  BatchSplit split{{}, rank};
  for (int r = 0; r < ranks; ++r) {
    split.rows_per_rank.push_back(
        static_cast<std::int64_t>(rank_slice(static_cast<std::uint64_t>(global_batch),
                                             static_cast<std::uint64_t>(ranks), static_cast<std::uint64_t>(r))
                                      .size()));
  }
  if (split.rows_per_rank.back() == 0) {
    throw input_error("{} = {} leaves ranks without a sample: use at most {} ranks", key, global_batch, global_batch);
  }
  return split;
}

}  // namespace clip_hpc
