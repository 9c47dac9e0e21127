// What results call the sets, the labels and themselves.
#pragma once

#include <map>
#include <string>

#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {

using SetNames = std::map<std::string, std::string>;                     // of a set's folder: what results call it
std::string set_name(const PackedSet& set, const SetNames& names = {});  // else the last two parts of its path
std::string result_label(const std::string& label_name);                 // label_subgroup -> subgroup, label -> ""
std::string shown_name(const Result& result);                            // "glyphs/test by subgroup", for messages

}  // namespace clip_hpc
