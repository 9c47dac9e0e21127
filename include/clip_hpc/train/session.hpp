// What a run reads and computes with while it trains. How it is saved and found again: checkpoint/training_state.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/checkpoint/training_state.hpp"
#include "clip_hpc/comm/compute_threads.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/packed/stored_features.hpp"
#include "clip_hpc/model/caption_ids.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/train/loop.hpp"
#include "clip_hpc/train/run_config.hpp"

namespace clip_hpc {

struct TrainingData {
  std::vector<std::shared_ptr<const PackedSet>> sets;
  std::vector<std::int64_t> weights;
  std::vector<std::uint64_t> subset;                            // ids of the one set, empty: all
  std::vector<std::shared_ptr<const StoredFeatures>> teachers;  // one a set, or none
  std::uint64_t epoch_samples = 0;
  std::uint64_t distinct_samples = 0;  // however often a weight repeats them
};
TrainingData open_training_data(const DataOptions& options);  // throws input, storage

}  // namespace clip_hpc
