#include "postprocess/points/robustness.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

double on_scale(double accuracy, Scale scale) {
  return scale == Scale::linear ? accuracy : std::log(accuracy / (1 - accuracy));
}

double off_scale(double value, Scale scale) { return scale == Scale::linear ? value : 1 / (1 + std::exp(-value)); }

}  // namespace

Scale scale_of(const std::string& word) {
  if (word == "logit") return Scale::logit;
  if (word == "linear") return Scale::linear;
  throw input_error("a line of robustness is fitted on axes that are logit or linear, not \"{}\"", word);
}

const char* name_of(Scale scale) { return scale == Scale::logit ? "logit" : "linear"; }

double LineFit::operator()(double accuracy) const {
  return off_scale(slope * on_scale(accuracy, scale) + intercept, scale);
}

std::optional<LineFit> fit_line(std::span<const double> x, std::span<const double> y, Scale scale) {
  std::vector<double> u, v;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    const double a = on_scale(x[i], scale), b = on_scale(y[i], scale);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    u.push_back(a);
    v.push_back(b);
  }
  const auto n = static_cast<double>(u.size());
  if (u.size() < 3) return std::nullopt;
  double mean_u = 0, mean_v = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    mean_u += u[i] / n;
    mean_v += v[i] / n;
  }
  double uu = 0, uv = 0, vv = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    uu += (u[i] - mean_u) * (u[i] - mean_u);
    uv += (u[i] - mean_u) * (v[i] - mean_v);
    vv += (v[i] - mean_v) * (v[i] - mean_v);
  }
  if (uu < 1e-12) return std::nullopt;
  LineFit fit{scale, uv / uu, 0, vv > 0 ? uv * uv / (uu * vv) : 1, u.size()};
  fit.intercept = mean_v - fit.slope * mean_u;
  return fit;
}

Robustness robustness_of(const RoleMeasure& main, const RoleMeasure& other, const std::string& strategy, Scale scale) {
  Robustness found{other.name, other.how, {}, {}, {}};
  for (const StudyPoint& point : other.points) {
    const auto match = std::ranges::find_if(main.points, [&](const StudyPoint& p) { return same_run(p, point); });
    if (match == main.points.end()) continue;
    found.points.push_back(
        {point, 1 - match->error, 1 - point.error, match->spread, std::numeric_limits<double>::quiet_NaN()});
  }
  const auto fit_of = [&](bool all) {
    std::vector<double> x, y;
    for (const RobustPoint& point : found.points) {
      if (!all && (point.run.strategy != strategy || point.run.quality < 1)) continue;
      x.push_back(point.main);
      y.push_back(point.other);
    }
    return fit_line(x, y, scale);
  };
  found.fit = fit_of(false);
  found.baseline = "runs of " + strategy;
  if (!found.fit) {
    found.fit = fit_of(true);
    found.baseline = "all runs";
  }
  if (found.fit) {
    for (RobustPoint& point : found.points) point.beyond = point.other - (*found.fit)(point.main);
  }
  return found;
}

}  // namespace clip_hpc
