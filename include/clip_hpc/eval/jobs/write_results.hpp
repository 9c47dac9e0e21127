// The one place that writes what an evaluation gives.
#pragma once

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/eval/tasks/task.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

// Collective: rank 0 writes the artefacts, then the entry of folder.results_file() that names them; what it cannot
// write fails on all ranks.
void write_task_result(Communicator& comm, const RunFolder& folder, const TaskResult& done);

}  // namespace clip_hpc
