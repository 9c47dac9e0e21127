// What ran, where and how: versions, nodes, command, configuration.
#pragma once

#include <string>
#include <vector>

#include "postprocess/read/runs.hpp"

namespace clip_hpc {

// HTML. Of few runs everything; of many, what they share, and a line each.
std::string provenance_section(const std::vector<RunRecord>& runs);

}  // namespace clip_hpc
