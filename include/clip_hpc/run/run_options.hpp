// The [run] section of the configuration: what the run is called and where it lives.
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct RunOptions {
  std::string name = "run";
  std::string dir = "runs";  // the run folder is dir/name
  std::int64_t seed = 0;
  std::int64_t log_every = 10;  // steps
};

void describe(OptionTable& table, RunOptions& options);

}  // namespace clip_hpc
