#include "postprocess/sections/advice.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/study/grid.hpp"
#include "postprocess/points/roles.hpp"

namespace clip_hpc {
namespace {

constexpr int kRedraws = 200;
constexpr double kFarthestFront = 4;  // beyond its runs

std::string front_text(const SeriesFit& front, double gmacs) {
  if (!front.fit) return fmt::format("  {}: not told, {}\n", front.name, front.why_not);
  const LawFit& fit = *front.fit;
  const double least = fit.points.front().compute(), most = fit.points.back().compute();
  std::string text =
      fmt::format("  {}: {} points, R^2 {:.3f}, {}; error = {}\n", front.name, fit.points.size(), fit.r2,
                  fit.held_out ? fmt::format("held-out points missed by {:.1f} % on average", 100 * fit.held_out->mean)
                               : "too few points to hold some out",
                  fit.kind->words(fit.law));
  if (gmacs <= 0) return text;
  if (gmacs > kFarthestFront * most || gmacs < least / kFarthestFront) {
    return text + fmt::format("    this budget lies {:.0f} times beyond its runs: not told\n",
                              std::max(gmacs / most, least / gmacs));
  }
  const Interval interval = interval_of(fit, gmacs, gmacs);
  return text + fmt::format("    at this budget {:.1f} % ({:.1f} to {:.1f}), if the data is not what limits it{}\n",
                            100 * fit(gmacs, gmacs), 100 * interval.low, 100 * interval.high,
                            gmacs > 1.05 * most ? fmt::format("; {:.1f} times beyond its runs", gmacs / most) : "");
}

std::string fronts_text(const std::vector<SeriesFit>& fronts, const Budget& budget) {
  std::string text;
  for (const SeriesFit& front : fronts) text += front_text(front, budget.gmacs);
  return text.empty() ? text : "\nfront of compute: the best of all towers\n" + text;
}

}  // namespace

std::string main_measure(const std::vector<StudyMeasure>& measures) {
  if (measures.empty()) return "";
  const Roles roles = roles_of(measures);
  const auto role = roles.measures.find(Role::zeroshot);
  const std::string main = role == roles.measures.end() ? "" : role->second.name;
  const std::string* any = nullptr;
  for (const StudyMeasure& one : measures) {
    if (one.points.size() < measures.front().points.size()) break;
    if (!one.name.ends_with("zeroshot_classification acc1")) continue;
    if (one.name.starts_with(main + " ")) return one.name;
    if (main == "ImageNet" && one.name.find("imagenet") != std::string::npos &&
        (any == nullptr || any->find("imagenet") == std::string::npos || one.name.size() < any->size())) {
      any = &one.name;
    }
    if (any == nullptr) any = &one.name;
  }
  return any == nullptr ? measures.front().name : *any;
}

std::string advice_text(const AdviceOptions& options, const std::vector<StudyMeasure>& measures) {
  const std::string wanted = options.measure.empty() ? main_measure(measures) : options.measure;
  const auto measure = std::ranges::find(measures, wanted, &StudyMeasure::name);
  if (measure == measures.end()) {
    std::string names;
    for (const StudyMeasure& one : measures) names += (names.empty() ? "" : "; ") + one.name;
    throw input_error("nothing is measured under {}: {}",
                      options.measure.empty() ? "these names" : "\"" + options.measure + "\"",
                      names.empty() ? "the study has no results yet" : "there is " + names);
  }
  Budget budget = options.budget;
  for (const auto& [name, value] :
       {std::pair{"--gpu-hours", budget.gpu_hours}, {"--gmacs", budget.gmacs}, {"--tflops", budget.tflops}}) {
    if (!(value >= 0) || !std::isfinite(value)) throw input_error("{} must be above 0, got {}", name, value);
  }
  if (!options.data.empty()) {
    const std::int64_t pairs = parse_count(options.data);
    if (pairs <= 0) throw input_error("--data takes a number of pairs, 250k, 400M or 3.4B, got \"{}\"", options.data);
    budget.data = static_cast<double>(pairs);
  }
  const std::vector<SeriesFit> series = fit_series(*measure, kRedraws, options.law);
  Recommendation found = recommend(series, budget, options.law);
  found.pays = what_pays(*measure);
  return as_text(*measure, series, budget, found) + fronts_text(fit_fronts(*measure, kRedraws), budget);
}

}  // namespace clip_hpc
