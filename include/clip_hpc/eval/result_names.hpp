// What results call the sets, the labels and themselves.
#pragma once

#include <map>
#include <span>
#include <string>

#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {

using SetNames = std::map<std::string, std::string>;  // of a set's folder: what results call it
// `given`, and names for sets that would be called alike: as much more of their paths as tells them apart,
// "v1/shapes/test". `folders`: as PackedSet::folder() has them.
SetNames names_apart(std::span<const std::string> folders, const SetNames& given = {});
std::string set_name(const PackedSet& set, const SetNames& names = {});  // else the last two parts of its path
std::string result_label(const std::string& label_name);                 // label_subgroup -> subgroup, label -> ""
std::string shown_name(const Result& result);                            // "glyphs/test by subgroup", for messages

}  // namespace clip_hpc
