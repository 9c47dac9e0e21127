// Which figures a set of runs gives: training curves, zero-shot results, throughput.
#pragma once

#include <string>
#include <vector>

#include "postprocess/figures/figures.hpp"
#include "postprocess/read/runs.hpp"

namespace clip_hpc {

// Only figures that have something to draw; a run keeps its colour in all of them.
std::vector<Figure> figures_of(const std::vector<RunRecord>& runs, bool log_x);

// Every logged step of all runs as one table, a column each: what the figures of a few leave out.
std::string csv_of_curves(const std::vector<RunRecord>& runs);

}  // namespace clip_hpc
