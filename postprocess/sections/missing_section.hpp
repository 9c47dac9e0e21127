// What is missing: cells by state, two axes against each other, lines that lack points, files that runs do not have.
#pragma once

#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

std::string missing_section(const StudyView& study, const std::vector<RunRecord>& runs);  // HTML

}  // namespace clip_hpc
