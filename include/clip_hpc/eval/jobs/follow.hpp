// A job beside training: evaluates every checkpoint of a run as it appears, so that training need not stop for it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/eval/open_model.hpp"

namespace clip_hpc {

struct FollowRequest {
  ModelSource source;                      // the model is a run folder, which need not be there yet
  std::filesystem::path output;            // folder of the results, which go into its kFollowResults
  std::optional<EvalOptions> options;      // none: [eval] of the run's config.cfg, with
  std::vector<std::string> settings = {};  // eval.key=value on top
  double poll_s = 30;                      // between two looks at the run
  double stop_after_s = 0;                 // 0: when the run is finished
};

// Collective. Checkpoints in the order of their steps; one whose results are there already is left out, one that
// training deleted before its turn, or that cannot be read, is told and left out. Returns kExitDone when the last
// checkpoint of the run has been evaluated, kExitStoppedCleanly when it was asked to stop or its time is over before.
// Throws when the run is finished and evaluations failed.
int follow(World& world, const FollowRequest& request);

}  // namespace clip_hpc
