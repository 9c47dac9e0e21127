// The points of a study out of its run folders alone: what each run trained, by its configuration, and how it scored.
#pragma once

#include <vector>

#include "postprocess/points/study_points.hpp"
#include "postprocess/read/runs.hpp"

namespace clip_hpc {

// As measures_of a table. Runs that have no configuration, no measured epoch or have not reached the end of their
// schedule give no point. Compute stays unknown where model.config cannot be read from here.
std::vector<StudyMeasure> measures_of_runs(const std::vector<RunRecord>& runs);

}  // namespace clip_hpc
