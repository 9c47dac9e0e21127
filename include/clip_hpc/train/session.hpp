// What a run holds while it trains, and how it is made, saved and found again. The loop itself is in loop.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/compute_threads.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/model/caption_ids.hpp"
#include "clip_hpc/optim/adamw.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/train/loop.hpp"
#include "clip_hpc/train/run_config.hpp"

namespace clip_hpc {

inline constexpr const char* kImported = "imported";  // stands for the configuration's hash where no one trained

struct TrainingData {
  std::vector<std::shared_ptr<const PackedSet>> sets;
  std::vector<std::int64_t> weights;
  std::vector<std::uint64_t> subset;  // ids of the one set, empty: all
  std::uint64_t epoch_samples = 0;
};
TrainingData open_training_data(const DataOptions& options);  // throws input, storage

TrainState train_state(ClipModel& model, AdamWState& optimizer);  // views of the live buffers

void save(World& world, const RunFolder& folder, ClipModel& model, AdamWState& optimizer, const Progress& progress,
          const CheckpointOptions& options, const std::string& config_hash);

// Collective. Restores the newest checkpoint that is complete and undamaged (auto), or the one that is named. Broken
// ones are skipped with a warning. Step 0: there is none, and model and optimizer are all zero. A configuration other
// than the checkpoint's is told in a warning, since the run that follows is neither's. An imported model is refused.
Progress resume(World& world, const RunFolder& folder, const std::string& which, ClipModel& model,
                AdamWState& optimizer, const std::string& config_hash);

// Collective. Exchanges the weights that the model computes with for their average, and back again at the next call.
// Does nothing where none is kept.
void exchange_for_average(ClipModel& model, AdamWState& optimizer, Communicator& comm);

}  // namespace clip_hpc
