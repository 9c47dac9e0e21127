// Parts of a run's config.cfg, for programs that read a run without knowing all that a run is told.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

// Reads the sections that `table` has keys of; the others are passed over. `overrides` ("section.key=value") come on
// top, as in OptionTable::parse, which checks it all and throws input.
void parse_run_config(OptionTable& table, const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace clip_hpc
