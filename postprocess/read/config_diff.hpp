// What the configurations of a report's runs have in common, and where they differ.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

struct ConfigDiff {
  struct Key {
    std::string name;
    std::vector<std::string> values;  // distinct
    std::vector<int> of_run;          // place in `values`; -1: not set
  };
  std::vector<std::string> runs;  // those that have a configuration
  Config common;                  // of all of them
  std::vector<Key> keys;          // that differ, by name
};

// run.name and run.dir, which always differ and change nothing, are left out.
ConfigDiff diff_configs(std::span<const Entry> entries);

}  // namespace clip_hpc
