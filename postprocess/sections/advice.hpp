// What to train with a budget, as text: of a study or of curves, by one of their measures.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/fit/recommend.hpp"
#include "postprocess/points/study_points.hpp"

namespace clip_hpc {

struct AdviceOptions {
  Budget budget;        // gpu_hours, gmacs, tflops as given; data is taken from the word below
  std::string data;     // distinct pairs: 400M
  std::string measure;  // what to go by; empty: main_measure
  std::string law;      // to predict by; empty: the one that predicts best
  bool asks() const {
    return budget.gpu_hours != 0 || budget.gmacs != 0 || budget.tflops != 0 || !(data + measure + law).empty();
  }
};

// The main set of the figures; else a zero-shot classification, if as many runs were measured by it as by any other.
std::string main_measure(const std::vector<StudyMeasure>& measures);

// Throws input where a number makes no sense or nothing was measured by that name.
std::string advice_text(const AdviceOptions& options, const std::vector<StudyMeasure>& measures);

}  // namespace clip_hpc
