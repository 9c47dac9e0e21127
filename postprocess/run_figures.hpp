// Which figures a set of runs gives: training curves, zero-shot results, throughput.
#pragma once

#include <vector>

#include "figures.hpp"
#include "runs.hpp"

namespace clip_hpc {

// Only figures that have something to draw; a run keeps its colour in all of them.
std::vector<Figure> figures_of(const std::vector<RunRecord>& runs, bool log_x);

}  // namespace clip_hpc
