#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "postprocess/figures/panel_figures.hpp"

namespace clip_hpc {
namespace {

constexpr std::array kBarSizes{25e6, 50e6, 100e6, 400e6, 1e9, 3.4e9};  // of figures 8a, 11a, 11b …

std::vector<double> bar_sizes(const std::vector<Line>& lines) {
  std::set<double> sizes;
  for (const Line& line : lines) {
    for (const StudyPoint* p : line.points) sizes.insert(p->set);
  }
  std::vector<double> all(sizes.begin(), sizes.end());
  if (all.size() <= 7) return all;
  std::vector<double> papers;
  for (const double size : kBarSizes) {
    const auto found = std::ranges::find_if(all, [&](double one) { return near(one, size); });
    if (found != all.end()) papers.push_back(*found);
  }
  if (papers.size() == kBarSizes.size()) return papers;
  std::vector<double> some;
  for (std::size_t i = 0; i < 6; ++i) some.push_back(all[i * (all.size() - 1) / 5]);
  return some;
}

}  // namespace

Figure bar_figure(const PanelData& data) {
  Figure figure = panel_form(data.panel, data.number, "bars");
  figure.log_x = figure.log_y = figure.fitted = false;
  figure.x_name = data.panel.pick == Pick::one_epoch ? "distinct pairs, each seen once" : "distinct pairs";
  figure.y_name = accuracy_words(data.measure);
  figure.title =
      fmt::format("{}, {}{}", capital(accuracy_words(data.measure)), data.measure.name, split_words(data.panel.split));
  const std::vector<double> sizes = bar_sizes(data.drawn.lines);
  for (const double size : sizes) figure.categories.push_back(short_count(size));
  for (const Line& line : data.drawn.lines) {
    Series series;
    series.name = line.name;
    series.colour = line.colour;
    for (const StudyPoint* p : line.points) {
      const auto at = std::ranges::find(sizes, p->set);
      if (at != sizes.end()) take(series, static_cast<double>(at - sizes.begin()), 1 - p->error, p->spread);
    }
    tidy(series);
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  return figure;
}

}  // namespace clip_hpc
