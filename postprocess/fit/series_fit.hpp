// The series of a measure, each with every law, and the law that predicts hidden larger runs best.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "postprocess/fit/law_fit.hpp"
#include "postprocess/points/study_points.hpp"

namespace clip_hpc {

struct LawTrial {
  const LawKind* kind = nullptr;
  std::optional<LawFit> fit;
  std::optional<HeldOut> held_out;
  std::string why_not;
};

struct SeriesFit {  // one tower, strategy and share of the data
  std::string name;
  std::string tower, strategy;
  double quality = 1, gmacs = 0, gpu_s_per_sample = 0;
  std::vector<StudyPoint> points;  // those near chance are left out
  std::size_t near_chance = 0;
  std::vector<LawTrial> trials;
  std::optional<LawFit> fit;  // by the law that is used, or by the first that fits where that one does not
  std::string why_not;
};

// `law`: use this one; empty: the one that predicts best.
std::vector<SeriesFit> fit_series(const StudyMeasure& measure, int redraws = 200, const std::string& law = "");

// The best over all towers at each compute, of one strategy and share of the data; where there are several towers. Ask
// the fit about compute (1e9 multiply-adds) in place of samples.
std::vector<SeriesFit> fit_fronts(const StudyMeasure& measure, int redraws = 200);

struct LawScore {
  const LawKind* kind = nullptr;
  std::size_t series = 0;  // that it could be fitted to
  HeldOut held_out;        // of all series
  double least_r2 = 1;
  bool is_used = false;
};

struct LawChoice {
  std::vector<LawScore> scores;
  std::string why;  // this law, in a sentence
};
LawChoice choose_law(std::span<const SeriesFit> series, const std::string& wanted = "");

}  // namespace clip_hpc
