// What a report lacks: cells of the grid without a result, what that costs its figures, files that runs do not have.
#pragma once

#include <array>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

// Two axes of the grid against each other; other axes are counted together.
struct StateMatrix {
  struct Box {
    std::array<int, kStateKinds> cells{};
    int all() const;
    int done() const { return cells[0]; }
    StateKind worst() const;  // done where all are; else the one that needs most attention
  };
  std::string row_axis, column_axis;
  std::vector<std::string> rows, columns;  // labels, in the order of the plan
  std::vector<std::vector<Box>> boxes;
};
StateMatrix state_matrix(const StudyView& study);  // no rows where fewer than two axes vary

// A group of points that stands or falls together: a grid (a figure of the paper), a series (a line).
struct Lack {
  std::string name;
  int points = 0;
  int with_result = 0;
  std::vector<std::string> without;  // cells
  std::set<double> places;           // compute of those with a result: seeds share one
};
std::vector<Lack> lacks_by_grid(const StudyView& study);
std::vector<Lack> lacks_by_series(const StudyView& study);

}  // namespace clip_hpc
