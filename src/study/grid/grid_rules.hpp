// The parts of a grid that name axes: axes themselves, terms and rules, blocks that pick from axes.
#pragma once

#include <string>

#include "clip_hpc/study/grid.hpp"

namespace clip_hpc {

void read_axis_line(Grid& grid, const IniLine& line);   // of [axis NAME]
void read_block_line(Grid& grid, const IniLine& line);  // of [grid NAME]

Term parse_term(const Grid& grid, const std::string& word, int line);  // axis=label,label
Rule parse_rule(const Grid& grid, const IniLine& line);                // skip = …, override = …

void check_pairs(const Grid& grid);  // paired axes have as many values each

}  // namespace clip_hpc
