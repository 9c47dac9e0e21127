// Figures of a scaling study: efficiency, step times with the model's, busbw against size, work of each rank.
#pragma once

#include <string>
#include <vector>

#include "postprocess/figures/figures.hpp"
#include "postprocess/fit/scaling_lines.hpp"
#include "postprocess/fit/step_model.hpp"

namespace clip_hpc {

// Of `step` against the smallest world size of its label: pairs/s a rank.
double efficiency_of(const ScalingRecords& records, const StepRecord& step);

std::vector<Figure> scaling_figures(const ScalingRecords& records, const std::vector<StepPrediction>& curve);

}  // namespace clip_hpc
