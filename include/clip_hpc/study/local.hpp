// The cells of a study on this machine, a few at once, without Slurm: the same jobs/study_cell.sh.
#pragma once

#include <cstdint>
#include <filesystem>

#include "clip_hpc/study/folder.hpp"

namespace clip_hpc {

struct LocalOptions {
  std::int64_t at_once = 1;
  std::int64_t ranks = 0;         // of each cell; 0: processors / at_once, at least 1
  std::filesystem::path project;  // holds jobs/study_cell.sh
};

struct LocalOutcome {
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t left = 0;    // neither, for example because another runner has them
  bool is_stopped = false;  // by a signal: submit again to go on
};

// jobs/prepare.sh of the study. Throws storage when it fails.
void prepare_locally(const StudyFolder& study, const LocalOptions& options);

// Prepares, then runs every stage of every cell that is neither done nor given up; a failure is tried again up to the
// grid's `attempts`. A signal stops the ranks in order, and this returns.
LocalOutcome run_locally(const StudyFolder& study, const LocalOptions& options);

}  // namespace clip_hpc
