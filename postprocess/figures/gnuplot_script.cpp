#include "postprocess/figures/gnuplot_script.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "postprocess/figures/gnuplot_axes.hpp"
#include "postprocess/figures/gnuplot_series.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kMostNamed = 30;  // with more lines than that a key would be all there is

std::size_t named_series(const Figure& figure) {
  return static_cast<std::size_t>(std::ranges::count_if(figure.series, [](const Series& s) { return s.in_key; }));
}

bool is_crowded(const Figure& figure) { return named_series(figure) > 8; }  // then its key stands beside it

// Grid, key and axes.
std::string frame_of(const Figure& figure, const AxisUnit& unit, std::size_t bars) {
  std::string text = fmt::format(
      "set border 3 lw 1 lc rgb '#64748b'\nset grid lt 1 lw 0.6 lc rgb '#c3cad4'\n"
      "set tics nomirror scale 0.5 textcolor rgb '#334155'\n"
      "set xlabel {} textcolor rgb '#334155' noenhanced\nset ylabel {} textcolor rgb '#334155' noenhanced\n",
      gnuplot_text((*unit.word == '\0' ? figure.x_name : figure.x_name + " (" + unit.word + ")") +
                   (figure.percent_x ? " (%)" : "")),
      gnuplot_text(figure.percent ? figure.y_name + " (%)" : figure.y_name));
  if (named_series(figure) > kMostNamed) {
    text += "unset key\n";
  } else {
    const bool crowded = is_crowded(figure);
    text += fmt::format("set key {} Left reverse samplen 1.6 noenhanced textcolor rgb '#1e293b' width 1{}\n",
                        crowded ? "outside right top vertical" : "above left", crowded ? "" : " maxrows 8");
  }
  text += axes_of(figure, unit, bars);
  if (!figure.fitted && figure.categories.empty()) text += "set offsets graph 0, graph 0.02, graph 0.05, 0\n";
  if (!figure.categories.empty()) text += "set offsets 0, 0, graph 0.05, 0\n";
  return text;
}

// Bands lie below the others, and are named last.
std::vector<std::size_t> drawing_order(const Figure& figure) {
  std::vector<std::size_t> order;
  for (const bool is_band : {true, false}) {
    for (std::size_t i = 0; i < figure.series.size(); ++i) {
      if (figure.series[i].band == is_band) order.push_back(i);
    }
  }
  return order;
}

// What is drawn, terminal and output apart.
std::string plot_of(const Figure& figure, std::size_t number) {
  const AxisUnit unit = x_unit_of(figure);
  const auto bars =
      static_cast<std::size_t>(std::ranges::count_if(figure.series, [](const Series& s) { return s.line; }));
  std::string text = frame_of(figure, unit, bars), items;
  std::size_t bar = 0;
  for (const std::size_t i : drawing_order(figure)) {
    const Series& series = figure.series[i];
    const std::string name = fmt::format("$figure{}_{}", number, i);
    const bool is_bar = !figure.categories.empty() && series.line;
    const double shift =
        is_bar ? (static_cast<double>(bar) - 0.5 * static_cast<double>(bars - 1)) * 0.8 / static_cast<double>(bars) : 0;
    if (is_bar) ++bar;
    const SeriesBlocks blocks = blocks_of(figure, series, unit, name, shift);
    text += blocks.text + labels_of(figure, series, unit);
    items += plot_items(series, name, blocks, is_bar ? bar : 0);
  }
  for (const ReferenceLine& line : figure.lines) {
    items += fmt::format("{} with lines lw {} dt {} lc rgb '{}' title {}, \\\n", figure.percent ? 100 * line.y : line.y,
                         line.strong ? 1.8 : 1.4, line.strong ? "(10,5)" : "(3,4)", line.strong ? "#92400e" : "#475569",
                         gnuplot_text(line.name));
  }
  return text + "plot " + items + "\n";
}

// Rows of the key above the plot, about; the picture grows by those that are more than two.
int key_rows(const Figure& figure) {
  if (named_series(figure) > kMostNamed) return 0;
  std::size_t longest = 1;
  for (const Series& series : figure.series) {
    if (series.in_key) longest = std::max(longest, (series.key.empty() ? series.name : series.key).size());
  }
  const std::size_t columns = std::max<std::size_t>(1, 58 / (longest + 6));
  return static_cast<int>((named_series(figure) + columns - 1) / columns);
}

// The same picture in each format: PNG at 300 dots an inch and PDF, both for a column of 3.3 inches.
std::string terminal_of(Format format, const Figure& figure) {
  const double height = is_crowded(figure) ? 480 : 420 + 22 * std::clamp(key_rows(figure) - 2, 0, 6);
  switch (format) {
    case Format::svg:
      return fmt::format("set terminal svg size 620,{} dynamic noenhanced font 'sans-serif,16' name '{}'\n", height,
                         figure.id);
    case Format::png:
      return fmt::format(
          "set terminal pngcairo size 1000,{:.0f} noenhanced font 'sans,8' fontscale 2.7 linewidth 1.6 "
          "pointscale 2.8\n",
          height * 1000 / 620);
    case Format::pdf:
      return fmt::format(
          "set terminal pdfcairo size 3.33in,{:.2f}in noenhanced font 'sans,8' fontscale 0.68 linewidth 0.7 pointscale "
          "0.65\n",
          height * 3.33 / 620);
  }
  return "";
}

}  // namespace

std::string script_of(const Figure& figure, std::size_t number, const fs::path& svg, std::span<const Format> formats,
                      const fs::path& folder) {
  std::string text = "reset\nset encoding utf8\n";
  const std::string plot = plot_of(figure, number);
  const auto key_font = [&](double size) {  // a crowded key is set smaller
    return fmt::format("set key font ',{}'\n", is_crowded(figure) ? 0.7 * size : size);
  };
  text += terminal_of(Format::svg, figure) + "set output " + gnuplot_text(svg) + "\n" + key_font(16) + plot +
          "set output\n";
  for (const Format format : formats) {
    if (format == Format::svg) continue;  // is there already
    text += terminal_of(format, figure) + "set output " + gnuplot_text(folder / (figure.id + suffix_of(format))) +
            "\n" + key_font(8) + "replot\nset output\n";
  }
  return text;
}

}  // namespace clip_hpc
