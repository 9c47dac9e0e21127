#include <algorithm>

#include <fmt/format.h>

#include "postprocess/figures/panel_figures.hpp"

namespace clip_hpc {
namespace {

constexpr int kFitPoints = 40;  // steps of the drawn line

struct Span {
  double least = 1, most = 0;
};

// Marks of one line of the panel; `span` grows to the accuracies on the main set.
Series marks_of(const Line& line, const Robustness& robust, Span& span) {
  Series series;
  series.name = line.name;
  series.colour = line.colour;
  series.line = false;
  for (const StudyPoint* p : line.points) {
    const auto at = std::ranges::find_if(robust.points, [&](const RobustPoint& one) { return same_run(one.run, *p); });
    if (at == robust.points.end()) continue;
    take(series, at->main, at->other, p->spread);
    series.x_spread.push_back(at->main_spread);
    span.least = std::min(span.least, at->main);
    span.most = std::max(span.most, at->main);
  }
  tidy(series);
  return series;
}

Series fit_series_of(const Robustness& robust, const Span& span, const std::string& base) {
  Series fit;
  fit.name = robust.baseline == "all runs" ? "fit: all runs" : "fit: " + base;
  fit.colour = kGrey;
  fit.dashed = true;
  for (int i = 0; i <= kFitPoints; ++i) {
    const double x = span.least + (span.most - span.least) * i / kFitPoints;
    fit.x.push_back(x);
    fit.y.push_back((*robust.fit)(x));
  }
  return fit;
}

}  // namespace

Figure robustness_figure(const PanelData& data, const RoleMeasure& main, const Robustness& robust,
                         const std::string& base) {
  const RoleMeasure& other = data.measure;
  Figure figure = panel_form(data.panel, data.number, "robustness");
  figure.percent_x = true;
  figure.x_name = main.how + " accuracy, " + main.name;
  figure.y_name = main.how + " accuracy, " + other.name;
  figure.title = fmt::format("Robustness, {}: accuracy on {} against that on {}{}", other.how, other.name, main.name,
                             split_words(data.panel.split));
  Span span;
  for (const Line& line : data.drawn.lines) {
    Series series = marks_of(line, robust, span);
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  figure.note = capital(data.drawn.which.empty() ? "" : data.drawn.which + ". ");
  if (robust.fit && span.most > span.least) {
    figure.series.push_back(fit_series_of(robust, span, base));
    figure.note += fmt::format(
        "Dashed: least squares on {} axes through {} {}, slope {:.2f}, R² {:.3f}; what lies above "
        "it is effective robustness. ",
        name_of(robust.fit->scale), robust.fit->points, robust.baseline, robust.fit->slope, robust.fit->r2);
  }
  if (const int runs = most_runs(data.drawn.lines); runs > 1) {
    figure.note += fmt::format("Error bars: half the range over {} seeds. ", runs);
  }
  figure.note += "After figure " + data.number + ".";
  return figure;
}

}  // namespace clip_hpc
