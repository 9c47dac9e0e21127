// What a checkpoint keeps of a run, how it is saved and found again.
#pragma once

#include <functional>
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

// Views of what lives; without progress, no `about`. `about_run` goes into it: what the run says of itself.
CheckpointContent content_of(const TrainingState& state);
CheckpointContent content_of(const TrainingState& state, const Progress& progress, const Json& about_run);

// Rank 0: deletes the checkpoints that are not kept any longer. What cannot be deleted is told in a warning.
void remove_expired(const RunFolder& folder, const CheckpointOptions& options);

// Throws input when the checkpoint with this `about` belongs to something else.
using CheckOwner = std::function<void(const std::filesystem::path& checkpoint, const Json& about)>;

struct ResumeFrom {
  RunFolder run;               // whose checkpoints are meant: mostly the folder itself
  std::string which = "auto";  // auto: the newest that is undamaged; none; or the path of a checkpoint
};

// Collective. Restores the newest checkpoint that is complete and undamaged (auto), or the one that is named. Broken
// ones are skipped with a warning. Step 0: there is none, and the state is all zero. Another model, another optimizer,
// an imported model, and what `check` throws at are refused.
Progress resume(World& world, const RunFolder& folder, const ResumeFrom& from, const TrainingState& state,
                const CheckOwner& check);

}  // namespace clip_hpc
