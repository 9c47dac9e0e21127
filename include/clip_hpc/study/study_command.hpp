// The program clip_study: its words, and what it prints.
#pragma once

#include <string>
#include <vector>

namespace clip_hpc {

int study_command(const std::vector<std::string>& arguments);  // the exit code

}  // namespace clip_hpc
