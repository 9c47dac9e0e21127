// Effective robustness: how much better a run does on another set than runs of its accuracy on the main set do. The
// line through the runs of the baseline is told on logit axes (Taori et al. 2020, Miller et al. 2021: accuracies of
// many models lie on a line there) or on plain ones.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "postprocess/points/roles.hpp"

namespace clip_hpc {

enum class Scale { logit, linear };
Scale scale_of(const std::string& word);  // throws input
const char* name_of(Scale scale);

struct LineFit {  // on the scale: y = slope x + intercept, by ordinary least squares
  Scale scale = Scale::logit;
  double slope = 0, intercept = 0, r2 = 0;  // R² on the scale, too
  std::size_t points = 0;                   // accuracies of exactly 0 or 1 have no logit and are left out
  double operator()(double accuracy) const;
};

// None from fewer than three points, or where x does not vary.
std::optional<LineFit> fit_line(std::span<const double> x, std::span<const double> y, Scale scale);

struct RobustPoint {
  StudyPoint run;              // its error is that on the other set
  double main = 0, other = 0;  // accuracies, 0..1
  double main_spread = 0;      // half the range over seeds
  double beyond = 0;           // accuracy above the line; NaN without one
};

struct Robustness {  // of one other set
  std::string set, how;
  std::vector<RobustPoint> points;
  std::string baseline;  // "runs of clip": which runs the line goes through
  std::optional<LineFit> fit;
};

// The baseline is the runs of `strategy` on all of the data; all runs where those are fewer than three.
Robustness robustness_of(const RoleMeasure& main, const RoleMeasure& other, const std::string& strategy, Scale scale);

}  // namespace clip_hpc
