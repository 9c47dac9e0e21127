// The newest result of a run, large, with chance and baseline beside it: for reports of few runs.
#pragma once

#include <string>

#include "postprocess/read/runs.hpp"

namespace clip_hpc {

std::string headline_card(const RunRecord& run);  // HTML

}  // namespace clip_hpc
