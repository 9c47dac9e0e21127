// The sheet of test pictures: each with the three best names the model gave it.
#pragma once

#include <string>
#include <vector>

#include "postprocess/read/runs.hpp"

namespace clip_hpc {

// One sheet a run, of its newest evaluation with predictions; empty when no run has any. Pictures that cannot be shown
// (absent, too large, outside the run folder) are drawn as a placeholder and named in `problems`.
std::string picture_sheets(const std::vector<RunRecord>& runs, std::vector<std::string>& problems);

}  // namespace clip_hpc
