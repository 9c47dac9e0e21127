#include "postprocess/fit/series_fit.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "clip_hpc/base/statistics.hpp"

namespace clip_hpc {
namespace {

constexpr double kNearChance = 0.92;  // of the error of guessing: there an error does not follow a power law
constexpr double kSameMiss = 0.001;   // laws whose mean misses differ by less predict equally well

std::string percent_text(double value) { return fmt::format("{:.1f} %", 100 * value); }

void try_law(const LawKind& kind, std::span<const LawPoint> points, SeriesFit& series) {
  LawTrial trial;
  trial.kind = &kind;
  trial.fit = fit_law(kind, points, trial.why_not);
  trial.held_out = trial.fit ? trial.fit->held_out : held_out_check(kind, points);
  series.trials.push_back(std::move(trial));
}

// The law that is used where it fits, else the first that does.
void take_law(const LawKind* used, SeriesFit& series) {
  for (const LawTrial& trial : series.trials) {
    if (trial.fit && (!series.fit || trial.kind == used)) series.fit = trial.fit;
  }
  if (series.fit || series.trials.empty()) return;
  series.why_not = series.trials.front().why_not;
  if (series.near_chance > 0) series.why_not += fmt::format(" ({} near chance are left out)", series.near_chance);
}

LawPoint law_point(const StudyPoint& point) {
  return {point.samples, point.set, point.error, point.gmacs > 0 ? point.gmacs : 1};
}

bool follows_a_law(const StudyPoint& point, const StudyMeasure& measure) {
  return point.error <= kNearChance * measure.chance_error && point.error > 0;
}

const LawKind* used_of(const LawChoice& choice) {
  const auto used = std::ranges::find(choice.scores, true, &LawScore::is_used);
  return used == choice.scores.end() ? nullptr : used->kind;
}

}  // namespace

std::vector<SeriesFit> fit_series(const StudyMeasure& measure, int redraws, const std::string& law) {
  if (!law.empty()) law_kind(law);  // a name that is none is refused before the work
  std::map<std::tuple<std::string, std::string, double>, std::vector<StudyPoint>> groups;
  // Shares of the data form a series only where they were varied in size, too; a share of one set is one point.
  for (const StudyPoint& point : measure.points) groups[{point.tower, point.strategy, point.quality}].push_back(point);
  std::vector<SeriesFit> series;
  for (const auto& [key, points] : groups) {
    SeriesFit one;
    std::tie(one.tower, one.strategy, one.quality) = key;
    one.name = one.tower + ", " + one.strategy;
    if (one.quality < 1) one.name += fmt::format(", best {:.0f} %", 100 * one.quality);
    std::vector<double> costs;
    std::vector<LawPoint> law_points;
    for (const StudyPoint& point : points) {
      one.gmacs = point.gmacs;
      if (point.gpu_s_per_sample > 0) costs.push_back(point.gpu_s_per_sample);
      if (!follows_a_law(point, measure)) {
        ++one.near_chance;
        continue;
      }
      law_points.push_back(law_point(point));
      one.points.push_back(point);
    }
    if (!costs.empty()) one.gpu_s_per_sample = upper_median(costs);
    for (const LawKind& kind : law_kinds()) {
      if (law.empty() ? kind.by_default : kind.name == law || &kind == &law_kinds().front()) {
        try_law(kind, law_points, one);
      }
    }
    series.push_back(std::move(one));
  }
  const LawKind* used = used_of(choose_law(series, law));
  std::map<const LawKind*, std::vector<const LawFit*>> by_law;
  for (SeriesFit& one : series) {
    take_law(used, one);
    if (one.fit) by_law[one.fit->kind].push_back(&*one.fit);
  }
  for (SeriesFit& one : series) {
    if (one.fit) redraw(*one.fit, noise_of(by_law[one.fit->kind]), redraws, 0);
  }
  return series;
}

std::vector<SeriesFit> fit_fronts(const StudyMeasure& measure, int redraws) {
  std::map<std::pair<std::string, double>, std::vector<StudyPoint>> groups;
  for (const StudyPoint& point : measure.points) {
    if (point.gmacs > 0 && follows_a_law(point, measure)) groups[{point.strategy, point.quality}].push_back(point);
  }
  std::vector<SeriesFit> fronts;
  for (const auto& [key, points] : groups) {
    std::set<std::string> towers;
    std::vector<LawPoint> law_points;
    for (const StudyPoint& point : points) {
      towers.insert(point.tower);
      law_points.push_back(law_point(point));
    }
    if (towers.size() < 2) continue;
    SeriesFit one;
    std::tie(one.strategy, one.quality) = key;
    one.name = fmt::format("all {} towers, {}", towers.size(), one.strategy);
    if (one.quality < 1) one.name += fmt::format(", best {:.0f} %", 100 * one.quality);
    one.points = points;
    // Only its own front is a front's business: off it, points are worse and say nothing.
    const LawKind& kind = law_kind("front");
    try_law(kind, kind.concerns(law_points), one);
    take_law(&kind, one);
    if (one.fit) {
      one.fit->gmacs = 1;
      const LawFit* fit = &*one.fit;
      redraw(*one.fit, noise_of(std::span(&fit, 1)), redraws, 0);
    }
    fronts.push_back(std::move(one));
  }
  return fronts;
}

LawChoice choose_law(std::span<const SeriesFit> series, const std::string& wanted) {
  LawChoice choice;
  if (series.empty()) return choice;
  for (const LawTrial& trial : series.front().trials) choice.scores.emplace_back().kind = trial.kind;
  std::size_t most = 0;
  for (std::size_t i = 0; i < choice.scores.size(); ++i) {
    LawScore& score = choice.scores[i];
    double sum = 0;
    for (const SeriesFit& one : series) {
      const LawTrial& trial = one.trials[i];
      if (trial.fit) {
        ++score.series;
        score.least_r2 = std::min(score.least_r2, trial.fit->r2);
      }
      if (!trial.held_out) continue;
      score.held_out.points += trial.held_out->points;
      score.held_out.worst = std::max(score.held_out.worst, trial.held_out->worst);
      sum += trial.held_out->mean * static_cast<double>(trial.held_out->points);
    }
    if (score.held_out.points > 0) score.held_out.mean = sum / static_cast<double>(score.held_out.points);
    if (score.series > 0) most = std::max(most, score.held_out.points);
  }
  LawScore* best = nullptr;
  for (LawScore& score : choice.scores) {
    if (!wanted.empty() ? wanted != score.kind->name : score.series == 0 || score.held_out.points < most) continue;
    if (best == nullptr || score.held_out.mean < best->held_out.mean - kSameMiss) best = &score;
  }
  if (best == nullptr) {
    choice.why = "none of the laws can be fitted: too few points";
    return choice;
  }
  best->is_used = true;
  if (!wanted.empty()) {
    choice.why = fmt::format("{}, as asked for", best->kind->name);
  } else if (most == 0) {
    choice.why = fmt::format("{}, unchecked: there are too few points to hold some out", best->kind->name);
  } else {
    choice.why = fmt::format(
        "{}, which missed {} held-out point{} by {} on average, the least of the laws that could "
        "predict all of them",
        best->kind->name, most, most == 1 ? "" : "s", percent_text(best->held_out.mean));
  }
  return choice;
}

}  // namespace clip_hpc
