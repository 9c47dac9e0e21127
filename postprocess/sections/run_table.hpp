// The table of all runs: axes of the study, state, results, how fast and how far, what it has cost.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

std::string run_table(std::span<const Entry> entries, const StudyView& study);  // HTML

}  // namespace clip_hpc
