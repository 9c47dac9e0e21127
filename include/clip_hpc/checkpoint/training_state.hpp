// What a checkpoint keeps of a run, how it is saved and found again.
#pragma once

#include <string>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/optim/updater.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

inline constexpr const char* kImported = "imported";  // stands for the configuration's hash where no one trained

struct TrainingState {
  ClipModel& model;
  Updater& updater;  // counters, what the optimizer keeps, averaged weights
};

CheckpointContent content_of(const TrainingState& state);  // views of the live buffers, without `about`

// Collective. Deletes what expires.
void save(World& world, const RunFolder& folder, const TrainingState& state, const Progress& progress,
          const CheckpointOptions& options, const std::string& config_hash);

// Collective. Restores the newest checkpoint that is complete and undamaged (auto), or the one that is named. Broken
// ones are skipped with a warning. Step 0: there is none, and the state is all zero. A configuration other than the
// checkpoint's is told in a warning, since the run that follows is neither's. Another model, another optimizer, and an
// imported model are refused.
Progress resume(World& world, const RunFolder& folder, const std::string& which, const TrainingState& state,
                const std::string& config_hash);

}  // namespace clip_hpc
