// Which sample stands at which place of training: a pure function of (seed, place), in O(1) memory. Blocks of
// neighbouring samples are permuted, then samples within a window of blocks, anew in every epoch; an epoch holds every
// sample exactly once. The number of ranks does not enter, and to resume is to start at a later step.
#pragma once

#include <cstdint>

namespace clip_hpc {

struct PlanOptions {
  std::uint64_t count = 0;  // samples of an epoch, repeats of weighted sets included
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 1;
  std::uint64_t block = 256;  // samples that are read together
  std::uint64_t window_blocks = 64;
  bool shuffle = true;  // false: 0, 1, 2, ... for evaluation
};

class SamplePlan {
 public:
  explicit SamplePlan(const PlanOptions& options);  // throws input

  // position = step * global_batch + row, counted over all epochs; a batch may cross from one epoch to the next.
  std::uint64_t sample_at(std::uint64_t position) const;
  std::uint64_t epoch_of(std::uint64_t position) const { return position / options_.count; }
  std::uint64_t count() const { return options_.count; }
  std::uint64_t global_batch() const { return options_.global_batch; }

 private:
  PlanOptions options_;
  std::uint64_t full_blocks_ = 0;
  std::uint64_t tail_ = 0;  // samples of the last, shorter block; 0: there is none
};

struct Slice {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t size() const { return end - begin; }
};

// Rows of the global batch that a rank computes; the first global_batch % world ranks get one more.
Slice rank_slice(std::uint64_t global_batch, std::uint64_t world, std::uint64_t rank);

}  // namespace clip_hpc
