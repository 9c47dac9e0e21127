// clip_study scaling: the words, and what is done with them.
#pragma once

#include <string>
#include <vector>

namespace clip_hpc {

int command_scaling(const std::vector<std::string>& arguments);  // exit code

}  // namespace clip_hpc
