// What a scaling study says: the sizes, a model of the step, its check, its predictions; and the same as lines of text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postprocess/fit/step_model.hpp"
#include "postprocess/sections/scaling_page.hpp"

namespace clip_hpc {

struct ScalingFindings {
  ScalingRecords records;
  std::optional<StepModel> model;
  std::vector<HeldOutStep> held_out;
  std::string no_model, no_check;
  std::vector<StepPrediction> asked;
  std::vector<StepPrediction> curve;  // from the smallest measured size to the largest asked for
};

ScalingFindings find_scaling(const ScalingPageOptions& options);  // throws input, storage

std::vector<std::string> scaling_summary(const ScalingFindings& found);  // for the terminal

std::vector<std::string> labels_of(const ScalingRecords& records);  // weak, strong
std::string fit_words(const AlphaBeta& fit);
std::string signed_percent(double fraction);

}  // namespace clip_hpc
