#include "postprocess/figures/study_figures.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

using Lines = std::map<std::string, std::vector<std::pair<double, double>>>;  // name -> (x, error)

std::string series_of(const StudyPoint& point) {
  std::string name = point.tower + ", " + point.strategy;
  if (point.quality < 1) name += fmt::format(", best {:.0f} %", 100 * point.quality);
  return name;
}

// A line needs three points; without any there is no figure.
void add(std::vector<Figure>& figures, Figure figure, const Lines& lines, int& colour) {
  for (auto [name, points] : lines) {
    std::ranges::sort(points);
    if (points.size() < 3 || points.front().first == points.back().first) continue;
    Series series;
    series.name = name;
    series.colour = colour++;
    series.points = true;
    for (const auto& [x, y] : points) {
      series.x.push_back(x);
      series.y.push_back(y);
    }
    figure.series.push_back(std::move(series));
  }
  if (!figure.series.empty()) figures.push_back(std::move(figure));
}

// What no other point has less of, with as small an error.
Series pareto_front(const std::vector<StudyPoint>& points) {
  std::vector<const StudyPoint*> order;
  for (const StudyPoint& point : points) order.push_back(&point);
  std::ranges::sort(order, {}, [](const StudyPoint* p) { return p->total_gmacs(); });
  Series front;
  front.name = "best for its compute";
  front.dashed = true;
  front.colour = 7;
  double least = 2;
  for (const StudyPoint* point : order) {
    if (point->error >= least) continue;
    least = point->error;
    front.x.push_back(point->total_gmacs());
    front.y.push_back(point->error);
  }
  return front;
}

}  // namespace

std::vector<Figure> figures_of_study(std::span<const StudyMeasure> measures, std::size_t most) {
  std::vector<Figure> figures;
  for (const StudyMeasure& measure : measures.first(std::min(most, measures.size()))) {
    std::string id = "study_";
    for (const char c : measure.name) id += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    const auto form = [&](const char* what, const char* x_name, bool log_x) {
      Figure figure;
      figure.id = fmt::format("{}_{}", id, what);
      figure.title = fmt::format("{}: error against {}", measure.name, x_name);
      figure.x_name = x_name;
      figure.y_name = "error";
      figure.percent = true;
      figure.log_x = log_x;
      figure.log_y = log_x;
      return figure;
    };
    // Lines hold all points of a series, except where points differ by something else than x.
    Lines compute, data, repeats, share;
    const bool has_once = std::ranges::any_of(measure.points, [](const StudyPoint& p) { return p.epochs() < 1.05; });
    for (const StudyPoint& p : measure.points) {
      const bool once = p.epochs() < 1.05;
      if (once || !has_once)
        compute[series_of(p) + (once ? "" : fmt::format(", {} pairs", count_text(p.set)))].emplace_back(p.total_gmacs(),
                                                                                                        p.error);
      data[series_of(p) + (once ? ", each once" : fmt::format(", {} samples", count_text(p.samples)))].emplace_back(
          p.set, p.error);
      repeats[series_of(p) + fmt::format(", {} pairs", count_text(p.set))].emplace_back(p.epochs(), p.error);
      if (p.quality < 1) continue;
      // Shares of this whole: with as many samples, or as many epochs.
      for (const bool equal_samples : {true, false}) {
        std::vector<std::pair<double, double>> parts;
        for (const StudyPoint& q : measure.points) {
          if (q.tower != p.tower || q.strategy != p.strategy || q.quality >= 1) continue;
          if (std::abs(q.set / (q.quality * p.set) - 1) > 0.05) continue;
          const double samples = equal_samples ? p.samples : q.quality * p.samples;
          if (std::abs(q.samples / samples - 1) < 0.02) parts.emplace_back(100 * q.quality, q.error);
        }
        if (parts.empty()) continue;
        parts.emplace_back(100, p.error);
        const std::string how =
            equal_samples ? count_text(p.samples) + " samples" : fmt::format("{:.3g} epochs", p.epochs());
        share[p.tower + ", " + p.strategy + ", " + how] = parts;
      }
    }
    int colour = 0;
    Figure against_compute = form("compute", "forward multiply-adds (1e9)", true);
    const std::size_t before = figures.size();
    add(figures, against_compute, compute, colour);
    if (figures.size() > before) figures.back().series.push_back(pareto_front(measure.points));
    add(figures, form("data", "distinct pairs", true), data, colour = 0);
    add(figures, form("epochs", "times each pair is seen", true), repeats, colour = 0);
    add(figures, form("share", "share of the data, best pairs first (%)", false), share, colour = 0);
  }
  return figures;
}

}  // namespace clip_hpc
