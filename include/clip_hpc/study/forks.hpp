// Several lengths out of one run: cells of a constant learning rate that differ in their length and cool-down alone
// share the part before it. The one that cools down last is trained whole, and the others fork from its checkpoints.
#pragma once

#include <vector>

#include "clip_hpc/study/plan.hpp"

namespace clip_hpc {

// Gives each other cell of a family its fork, and that one checkpoint.at_steps. Throws input where a cell's part before
// the cool-down would depend on its length.
void plan_forks(std::vector<Cell>& cells, const Grid& grid);

}  // namespace clip_hpc
