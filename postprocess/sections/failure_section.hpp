// What went wrong: stages of cells that failed, were lost or cannot be read, and broken files of runs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

std::string failure_section(std::span<const Entry> entries, std::span<const std::string> broken);  // HTML

}  // namespace clip_hpc
