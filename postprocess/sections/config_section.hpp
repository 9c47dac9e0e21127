// Configurations: what differs between the runs, any two of them compared, what is the same in all.
#pragma once

#include <string>

#include "postprocess/read/config_diff.hpp"

namespace clip_hpc {

std::string config_section(const ConfigDiff& diff);  // HTML; empty where no run has a configuration

}  // namespace clip_hpc
