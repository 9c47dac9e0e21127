// The combinations of a grid's axes that its rules leave.
#pragma once

#include <string>
#include <vector>

#include "clip_hpc/study/grid.hpp"

namespace clip_hpc {

// One combination of axis values, before anything is computed.
struct Point {
  std::string block;
  std::vector<std::string> labels;  // one an axis, in the order of the axes
  Settings settings;
  int line = 0;
};

// Throws input where a rule applies to nothing, a [grid ...] is left without a cell, or two axes set one key.
std::vector<Point> expand(const Grid& grid);

}  // namespace clip_hpc
