#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "postprocess/figures/panel_figures.hpp"

namespace clip_hpc {
namespace {

Series front_of(const std::vector<Line>& lines, XAxis x) {
  Points order;
  for (const Line& line : lines) order.insert(order.end(), line.points.begin(), line.points.end());
  std::ranges::stable_sort(order, {}, [&](const StudyPoint* p) { return x_of(*p, x); });
  Series front;
  front.name = "Pareto front";
  front.colour = kGrey;
  front.band = true;
  double least = 2;
  for (const StudyPoint* p : order) {
    if (p->error >= least) continue;
    least = p->error;
    front.x.push_back(x_of(*p, x));
    front.y.push_back(p->error);
  }
  return front;
}

Figure with_x_axis(const Panel& panel, Figure figure) {
  figure.x_name = x_words(panel.x);
  figure.percent_x = panel.x == XAxis::quality;
  figure.log_x = figure.log_x || panel.x == XAxis::epochs;
  if (panel.x == XAxis::compute || panel.x == XAxis::time) figure.ticks = Ticks::powers;
  if (panel.x == XAxis::set) figure.ticks = Ticks::counts;
  return figure;
}

}  // namespace

Figure curve_figure(const PanelData& data) {
  constexpr std::array kWords{"compute", "data", "epochs", "quality", "time"};
  Figure figure =
      with_x_axis(data.panel, panel_form(data.panel, data.number, kWords[static_cast<std::size_t>(data.panel.x)]));
  figure.y_name = error_words(data.measure);
  const std::string x_short = data.panel.x == XAxis::compute ? "compute"
                              : data.panel.x == XAxis::time  ? "measured time"
                                                             : x_words(data.panel.x);
  figure.title = fmt::format("{}, {}, against {}{}", capital(error_words(data.measure)), data.measure.name, x_short,
                             data.panel.x == XAxis::quality ? "" : split_words(data.panel.split));
  for (const Line& line : data.drawn.lines) {
    Series series;
    series.name = line.name;
    series.colour = line.colour;
    series.points = true;
    for (const StudyPoint* p : line.points) take(series, x_of(*p, data.panel.x), p->error, p->spread);
    tidy(series);
    figure.series.push_back(std::move(series));
  }
  if (data.panel.x == XAxis::compute || data.panel.x == XAxis::time) {
    figure.series.push_back(front_of(data.drawn.lines, data.panel.x));
  }
  return figure;
}

}  // namespace clip_hpc
