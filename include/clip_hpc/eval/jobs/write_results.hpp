// The one place that writes what an evaluation gives.
#pragma once

#include <filesystem>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/eval/tasks/task.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

// Collective: rank 0 writes the artefacts, then the entry of folder.results_file() that names them; what it cannot
// write fails on all ranks.
void write_task_result(Communicator& comm, const RunFolder& folder, const TaskResult& done);

// Collective; makes the folder. Throws storage where results could not be written there, or those that are there cannot
// be read: asked before anything is computed that would be lost.
void check_results_folder(World& world, const RunFolder& folder);
// The same of one file: whether its folder is there and can be written into.
void check_output(World& world, const std::filesystem::path& file);

}  // namespace clip_hpc
