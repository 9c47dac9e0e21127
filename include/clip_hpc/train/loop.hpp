// One training run from configuration to results: read src/train/loop.cpp like the method section of a paper.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/run/run_folder.hpp"
#include "clip_hpc/train/run_config.hpp"

namespace clip_hpc {

struct TrainRequest {
  RunConfig config;
  std::string config_text;  // the resolved INI, written to the run folder
  RunFolder folder;
  std::string resume = "auto";         // auto, none, or the path of a checkpoint
  RunFolder branch_of;                 // the run whose checkpoint a branch starts from; no path: this is no branch
  std::function<bool()> holds_folder;  // whether this program still has the run folder to itself; empty: nobody asks
  std::vector<std::string> command_line;
};

// Collective. Returns kExitDone, or kExitStoppedCleanly when a signal asked to stop and a checkpoint was written.
int train(World& world, const TrainRequest& request);

}  // namespace clip_hpc
