#include "postprocess/figures/gnuplot_series.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace clip_hpc {
namespace {

// Each has a contrast of 3:1 or more on the figure card of both the light and the dark page.
constexpr std::array<const char*, 10> kPalette{"#0b62a4", "#c2410c", "#15803d", "#7e22ce", "#be185d",
                                               "#0f766e", "#854d0e", "#475569", "#0e7fa8", "#4d7c0f"};
constexpr std::size_t kBuckets = 300;  // a drawn line has at most twice as many points
constexpr std::size_t kWindows = 60;   // of a smooth line

// Thins a long line to the least and the greatest value of each bucket, so that every spike stays visible.
std::vector<std::size_t> drawn_points(const Series& series) {
  std::vector<std::size_t> kept;
  const std::size_t count = series.x.size();
  if (count <= 2 * kBuckets) {
    for (std::size_t i = 0; i < count; ++i) kept.push_back(i);
    return kept;
  }
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    const std::size_t first = bucket * count / kBuckets;
    const std::size_t last = (bucket + 1) * count / kBuckets;
    std::size_t low = first;
    std::size_t high = first;
    for (std::size_t i = first; i < last; ++i) {
      if (series.y[i] < series.y[low] || std::isnan(series.y[low])) low = i;
      if (series.y[i] > series.y[high] || std::isnan(series.y[high])) high = i;
    }
    kept.push_back(std::min(low, high));
    if (low != high) kept.push_back(std::max(low, high));
  }
  return kept;
}

// Means over windows of equal width in x, of the values that were measured: short and long runs look alike.
Series smoothed(const Series& series, double width) {
  if (series.x.size() <= kWindows || width <= 0) return series;
  Series means = series;
  means.x.clear();
  means.y.clear();
  for (std::size_t i = 0; i < series.x.size();) {
    const double window = std::floor(series.x[i] / width);
    double sum_x = 0;
    double sum_y = 0;
    double measured = 0;
    for (; i < series.x.size() && std::floor(series.x[i] / width) == window; ++i) {
      if (!std::isfinite(series.y[i])) continue;
      sum_x += series.x[i];
      sum_y += series.y[i];
      measured += 1;
    }
    means.x.push_back(measured > 0 ? sum_x / measured : (window + 0.5) * width);
    means.y.push_back(measured > 0 ? sum_y / measured : std::nan(""));
  }
  return means;
}

// Filled circle, square, triangles, diamond, pentagon; from the ninth series on in outline.
int shape_of(const Series& series) {
  constexpr std::array kFilled{7, 5, 9, 13, 11, 15};
  constexpr std::array kOutlined{6, 4, 8, 12, 10, 14};
  const int index = series.shape >= 0 ? series.shape : std::max(series.colour, 0);
  const bool outlined = series.hollow || index >= static_cast<int>(kPalette.size());
  const auto at = static_cast<std::size_t>(index) % kFilled.size();
  return outlined ? kOutlined[at] : kFilled[at];
}

}  // namespace

SeriesBlocks blocks_of(const Figure& figure, const Series& whole, const AxisUnit& unit, const std::string& name,
                       double shift) {
  const double width = largest_x(figure) / static_cast<double>(kWindows);
  const Series series = figure.smooth ? smoothed(whole, width) : whole;
  const double factor = figure.percent ? 100 : 1, x_factor = (figure.percent_x ? 100 : 1) / unit.size;
  SeriesBlocks blocks;
  std::string bars;
  blocks.text = fmt::format("{} << EOD\n", name);
  for (const std::size_t i : drawn_points(series)) {
    if (figure.log_x && series.x[i] <= 0) continue;
    const double x = x_factor * series.x[i] + shift, y = factor * series.y[i];
    if (!std::isfinite(y) || (figure.log_y && y <= 0)) {
      blocks.text += "\n";  // one empty line breaks the line
      continue;
    }
    blocks.text += fmt::format("{} {}\n", x, y);
    const double dy = factor * at_or_zero(series.spread, i), dx = x_factor * at_or_zero(series.x_spread, i);
    const double low = figure.log_y ? std::max(y - dy, 0.001 * y) : y - dy;
    if (dy > 0) bars += fmt::format("{0} {1}\n{0} {2}\n\n", x, low, y + dy);
    if (dx > 0) bars += fmt::format("{1} {0}\n{2} {0}\n\n", y, x - dx, x + dx);
  }
  blocks.has_bars = !bars.empty();
  blocks.text += "EOD\n";
  if (blocks.has_bars) blocks.text += fmt::format("{}_bars << EOD\n{}EOD\n", name, bars);
  return blocks;
}

std::string colour_of(const Series& series) {
  if (series.band) return "#b6c2d1";
  if (series.hollow && !series.line) return "#111827";  // over bars
  if (series.colour < 0) return "#64748b";
  return kPalette[static_cast<std::size_t>(series.colour) % kPalette.size()];
}

std::string labels_of(const Figure& figure, const Series& series, const AxisUnit& unit) {
  std::string text;
  const double factor = figure.percent ? 100 : 1, x_factor = (figure.percent_x ? 100 : 1) / unit.size;
  for (std::size_t i = 0; i < std::min(series.labels.size(), series.x.size()); ++i) {
    if (series.labels[i].empty() || !std::isfinite(series.y[i])) continue;
    text +=
        fmt::format("set label {} at {},{} left offset 0.6,0.3 noenhanced font ',11' textcolor rgb '{}'\n",
                    gnuplot_text(series.labels[i]), x_factor * series.x[i], factor * series.y[i], colour_of(series));
  }
  return text;
}

std::string plot_items(const Series& series, const std::string& name, const SeriesBlocks& blocks, std::size_t bar) {
  std::string items;
  const std::string title =
      series.in_key ? "title " + gnuplot_text(series.key.empty() ? series.name : series.key) : "notitle";
  if (bar > 0) {
    items += fmt::format("{} using 1:2 with boxes lw 1 lc rgb '{}' fillstyle solid {} border {}, \\\n", name,
                         colour_of(series), bar % 2 == 1 ? "0.9" : "0.45", title);
  } else {
    const std::string style = series.line ? series.points ? "linespoints" : "lines" : "points";
    items += fmt::format("{} using 1:2 with {} {}{} lc rgb '{}' {} {}, \\\n", name, style,
                         series.line ? fmt::format("lw {} ", series.band     ? 7.0
                                                             : series.hollow ? 1.0
                                                                             : 2.0)
                                     : "",
                         series.line ? series.dashed   ? "dt 2"
                                       : series.hollow ? "dt 3"
                                                       : "dt 1"
                                     : "lw 1.4",
                         colour_of(series),
                         series.points || !series.line ? fmt::format("pt {} ps 0.75", shape_of(series)) : "", title);
  }
  if (blocks.has_bars) {
    items += fmt::format("{}_bars using 1:2 with lines lw 1.5 dt 1 lc rgb '{}' notitle, \\\n", name,
                         bar > 0 ? "#1e293b" : colour_of(series));
  }
  return items;
}

}  // namespace clip_hpc
