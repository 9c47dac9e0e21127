// The figures of a study: error against compute, data, repeats and share of the data, a line for each series.
#pragma once

#include <span>
#include <vector>

#include "postprocess/figures/figures.hpp"
#include "postprocess/points/study_points.hpp"

namespace clip_hpc {

// Of each measure (the first `most`), what its points allow: only figures in which something varies.
std::vector<Figure> figures_of_study(std::span<const StudyMeasure> measures, std::size_t most = 6);

}  // namespace clip_hpc
