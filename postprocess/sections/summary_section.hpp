// The first lines of the page: what was asked, how much of it is there, the best result, what it has cost.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"
#include "postprocess/sections/cost_section.hpp"

namespace clip_hpc {

std::string summary_section(std::span<const Entry> entries, const StudyView& study, const RunsCost& cost);  // HTML

// The same for the terminal. Of few runs without a study one line an evaluation set and one for the speed, of each run.
std::vector<std::string> summary_lines(const std::vector<RunRecord>& runs, std::span<const Entry> entries,
                                       const StudyView& study, const RunsCost& cost);

}  // namespace clip_hpc
