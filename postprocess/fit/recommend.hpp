// What to train with a given budget, told from the runs of a study: a law for each tower and strategy, the best of them
// inside the budget, how sure that is, and where augmentation or filtering has paid.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/fit/series_fit.hpp"
#include "postprocess/points/study_points.hpp"

namespace clip_hpc {

struct Budget {
  double gpu_hours = 0;  // either this, at the speed that the runs had, or `tflops` where they do not say
  double gmacs = 0;      // or this: forward multiply-adds of both towers, 1e9
  double tflops = 0;     // of a GPU, forward and backward
  double data = 0;       // distinct pairs at hand
};

struct Choice {
  const SeriesFit* series = nullptr;
  double samples = 0, set = 0;
  double error = 0;
  Interval interval;
  double beyond = 1;   // how many times more samples or data than any run of the series had
  double unspent = 0;  // fraction of the budget: where all of it lies too far beyond the runs, their longest counts
  double wins = 0;     // share of the redraws in which it is the best choice
};

struct Recommendation {
  std::vector<Choice> choices;        // best first
  std::vector<std::string> left_out;  // series and why
  std::vector<std::string> pays;      // where augmentation, another strategy or filtering was better, pair by pair
  LawChoice law;                      // by which the choices were made, and how the others predict
  std::string verdict;                // one sentence; "not enough runs: …" where there is no choice
};

// Throws input where the budget is none. `law` as for fit_series.
Recommendation recommend(std::span<const SeriesFit> series, const Budget& budget, const std::string& law = "");

// What changes at equal tower, data and samples seen: the strategies against `clip` (or the most frequent one), shares
// of the data against all of it.
std::vector<std::string> what_pays(const StudyMeasure& measure);

std::string as_text(const StudyMeasure& measure, std::span<const SeriesFit> series, const Budget& budget,
                    const Recommendation& recommendation);

}  // namespace clip_hpc
