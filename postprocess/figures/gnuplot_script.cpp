#include "postprocess/figures/gnuplot_script.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

// Each has a contrast of 3:1 or more on the figure card of both the light and the dark page.
constexpr std::array<const char*, 10> kPalette{"#0b62a4", "#c2410c", "#15803d", "#7e22ce", "#be185d",
                                               "#0f766e", "#854d0e", "#475569", "#0e7fa8", "#4d7c0f"};
constexpr std::size_t kBuckets = 300;   // a drawn line has at most twice as many points
constexpr std::size_t kWindows = 60;    // of a smooth line
constexpr std::size_t kMostNamed = 30;  // with more lines than that a key would be all there is

// A gnuplot string. Single quotes: no escapes, no backquote commands, no variables.
std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'') {
      safe += "''";
    } else {
      safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return safe + "'";
}

struct Unit {
  double size;
  const char* word;
};
Unit unit_of(double largest) {
  for (const Unit& unit : {Unit{1e9, "billions"}, Unit{1e6, "millions"}, Unit{1e3, "thousands"}}) {
    if (largest >= 10 * unit.size || (unit.size > 1e3 && largest >= unit.size)) return unit;
  }
  return {1, ""};
}

double largest_x(const Figure& figure) {
  double largest = 0;
  for (const Series& series : figure.series) {
    for (const double x : series.x) largest = std::max(largest, x);
  }
  return largest;
}

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

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  void take(double value) {
    if (!std::isfinite(value)) return;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  bool empty() const { return least > most; }
};

double at_or_zero(const std::vector<double>& values, std::size_t i) {
  return i < values.size() && std::isfinite(values[i]) ? values[i] : 0;
}

// Of what is drawn, error bars included, in the units of the axis.
Range x_range(const Figure& figure, double unit) {
  Range range;
  const double factor = (figure.percent_x ? 100 : 1) / unit;
  for (const Series& series : figure.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.y[i])) continue;
      for (const double sign : {-1.0, 1.0}) {
        const double x = series.x[i] + sign * at_or_zero(series.x_spread, i);
        if (!figure.log_x || x > 0) range.take(factor * x);
      }
    }
  }
  return range;
}

Range y_range(const Figure& figure) {
  Range range;
  const double factor = figure.percent ? 100 : 1;
  const auto take = [&](double y) {
    if (!figure.log_y || y > 0) range.take(factor * y);
  };
  for (const Series& series : figure.series) {
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      take(series.y[i] - at_or_zero(series.spread, i));
      take(series.y[i] + at_or_zero(series.spread, i));
    }
  }
  for (const ReferenceLine& line : figure.lines) take(line.y);
  return range;
}

std::vector<double> distinct_x(const Figure& figure, double unit) {
  std::vector<double> values;
  for (const Series& series : figure.series) {
    for (const double x : series.x) {
      if (x > 0) values.push_back(x / unit);
    }
  }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end(), [](double a, double b) { return b < 1.01 * a; }),
               values.end());
  return values;
}

std::string power_of_ten(int exponent) {
  constexpr std::array<const char*, 10> kDigits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "10";
  if (exponent < 0) text += "⁻";
  for (const char c : std::to_string(std::abs(exponent))) text += kDigits[static_cast<std::size_t>(c - '0')];
  return text;
}

std::string tick_of(const Figure& figure, double value) {
  if (figure.ticks == Ticks::counts) return short_count(value);
  if (figure.ticks == Ticks::units) return fmt::format("{:.3g}", value);
  const int exponent = static_cast<int>(std::floor(std::log10(value) + 1e-9));
  const double lead = value / std::pow(10, exponent);
  return (lead > 1.001 ? fmt::format("{:.2g}·", lead) : "") + power_of_ten(exponent);
}

// A logarithmic axis: few values are named themselves; else decades, within two of them also 2 and 5.
std::string log_x_of(const Figure& figure, double unit) {
  const Range range = x_range(figure, unit);
  if (range.empty()) return "set logscale x\n";
  const double margin = std::max(1.02, std::pow(range.most / range.least, 0.03));
  const double low = range.least / margin, high = range.most * margin;
  std::string text = fmt::format("set logscale x\nset xrange [{}:{}]\nset xtics (", low, high);
  const char* comma = "";
  const auto add = [&](double at, bool named) {
    if (at < low || at > high) return;
    text += fmt::format("{}{} {:.6g} {}", comma, quoted(named ? tick_of(figure, at) : ""), at, named ? 0 : 1);
    comma = ", ";
  };
  const std::vector<double> values = distinct_x(figure, unit);
  bool apart = values.size() <= 7;
  for (std::size_t i = 1; i < values.size(); ++i) {
    apart = apart && std::log(values[i] / values[i - 1]) > 0.085 * std::log(high / low);
  }
  if (apart) {
    for (const double value : values) add(value, true);
    return text + ")\n";
  }
  const bool within_two = high / low < 150;
  for (double decade = 1e-9; decade < 1e18; decade *= 10) {
    for (int mark = 1; mark < 10; ++mark) add(mark * decade, mark == 1 || (within_two && (mark == 2 || mark == 5)));
  }
  return text + ")\n";
}

// A logarithmic axis of errors spans about one decade: its marks are named one by one.
std::string log_y_of(const Figure& figure) {
  const Range range = y_range(figure);
  if (range.empty()) return "";
  const double margin = std::clamp(std::pow(range.most / range.least, 0.06), 1.004, 1.05);
  const double low = range.least / margin, high = range.most * margin;
  std::string text = fmt::format("set logscale y\nset yrange [{}:{}]\n", low, high);
  std::string marks;
  int count = 0;
  const auto add = [&](double at) {
    if (at < low || at > high) return;
    marks += fmt::format("{}{:.6g}", count == 0 ? "" : ", ", at);
    ++count;
  };
  const bool decades_alone = high / low > 300;
  for (double decade = 1e-6; decade < 1e6; decade *= 10) {
    for (const double mark : {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0}) {
      if (!decades_alone || mark == 1) add(mark * decade);
    }
  }
  if (count < 4) {  // less than an octave: even steps
    const double rough = (high - low) / 5, decade = std::pow(10, std::floor(std::log10(rough)));
    const double step = rough < 2 * decade ? 2 * decade : rough < 5 * decade ? 5 * decade : 10 * decade;
    marks.clear();
    count = 0;
    for (double at = std::ceil(low / step) * step; at <= high; at += step) add(at);
  }
  return text + "set ytics (" + marks + ")\n";
}

// From zero where the data come near it, else a little below them.
std::string fitted_range(const char* axis, const Range& range) {
  if (range.empty()) return "";
  const double margin = 0.05 * std::max(range.most - range.least, 0.02 * std::abs(range.most));
  const double low = range.least >= 0 && range.least < 0.3 * range.most ? 0 : range.least - margin;
  return fmt::format("set {}range [{}:{}]\n", axis, low, range.most + margin);
}

// gnuplot's data blocks of a series: the points, and below another name those that have error bars.
struct Blocks {
  std::string text;
  bool has_bars = false;
};

Blocks blocks_of(const Figure& figure, const Series& whole, const Unit& unit, const std::string& name, double shift) {
  const double width = largest_x(figure) / static_cast<double>(kWindows);
  const Series series = figure.smooth ? smoothed(whole, width) : whole;
  const double factor = figure.percent ? 100 : 1, x_factor = (figure.percent_x ? 100 : 1) / unit.size;
  Blocks blocks;
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

// Filled circle, square, triangles, diamond, pentagon; from the ninth series on in outline.
int shape_of(const Series& series) {
  constexpr std::array kFilled{7, 5, 9, 13, 11, 15};
  constexpr std::array kOutlined{6, 4, 8, 12, 10, 14};
  const int index = series.shape >= 0 ? series.shape : std::max(series.colour, 0);
  const bool outlined = series.hollow || index >= static_cast<int>(kPalette.size());
  const auto at = static_cast<std::size_t>(index) % kFilled.size();
  return outlined ? kOutlined[at] : kFilled[at];
}

std::string labels_of(const Figure& figure, const Series& series, const Unit& unit) {
  std::string text;
  const double factor = figure.percent ? 100 : 1, x_factor = (figure.percent_x ? 100 : 1) / unit.size;
  for (std::size_t i = 0; i < std::min(series.labels.size(), series.x.size()); ++i) {
    if (series.labels[i].empty() || !std::isfinite(series.y[i])) continue;
    text += fmt::format("set label {} at {},{} left offset 0.6,0.3 noenhanced font ',11' textcolor rgb '{}'\n",
                        quoted(series.labels[i]), x_factor * series.x[i], factor * series.y[i], colour_of(series));
  }
  return text;
}

std::string bars_frame(const Figure& figure, std::size_t bars) {
  std::string text = fmt::format("set boxwidth {}\nset xrange [-0.55:{}]\nset xtics (", 0.8 / static_cast<double>(bars),
                                 static_cast<double>(figure.categories.size()) - 0.45);
  for (std::size_t i = 0; i < figure.categories.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(figure.categories[i]), i);
  }
  return text + ")\nset grid noxtics\n";
}

std::string axes_of(const Figure& figure, const Unit& unit, std::size_t bars) {
  std::string text;
  if (!figure.categories.empty()) {
    text += bars_frame(figure, std::max<std::size_t>(bars, 1)) + "set yrange [0:*]\n";
  } else if (figure.log_x) {
    text += log_x_of(figure, unit.size);
  } else {
    text += figure.fitted ? fitted_range("x", x_range(figure, unit.size)) : "set xrange [0:*]\n";
  }
  if (!figure.categories.empty()) return text;
  if (figure.log_y) {
    text += log_y_of(figure);
  } else if (figure.fitted) {
    text += fitted_range("y", y_range(figure));
  } else if (figure.from_zero || figure.percent) {
    text += "set yrange [0:*]\n";
  }
  return text;
}

std::size_t named_series(const Figure& figure) {
  return static_cast<std::size_t>(std::ranges::count_if(figure.series, [](const Series& s) { return s.in_key; }));
}

bool is_crowded(const Figure& figure) { return named_series(figure) > 8; }  // then its key stands beside it

// What is drawn, terminal and output apart.
std::string plot_of(const Figure& figure, std::size_t number) {
  const bool units = figure.categories.empty() && figure.ticks == Ticks::units && !figure.percent_x;
  const Unit unit = units ? unit_of(largest_x(figure)) : Unit{1, ""};
  const bool crowded = is_crowded(figure);
  std::string text, items;
  const auto bars =
      static_cast<std::size_t>(std::ranges::count_if(figure.series, [](const Series& s) { return s.line; }));
  text += fmt::format(
      "set border 3 lw 1 lc rgb '#64748b'\nset grid lt 1 lw 0.6 lc rgb '#c3cad4'\n"
      "set tics nomirror scale 0.5 textcolor rgb '#334155'\n"
      "set xlabel {} textcolor rgb '#334155' noenhanced\nset ylabel {} textcolor rgb '#334155' noenhanced\n",
      quoted((*unit.word == '\0' ? figure.x_name : figure.x_name + " (" + unit.word + ")") +
             (figure.percent_x ? " (%)" : "")),
      quoted(figure.percent ? figure.y_name + " (%)" : figure.y_name));
  if (named_series(figure) > kMostNamed) {
    text += "unset key\n";
  } else {
    text += fmt::format("set key {} Left reverse samplen 1.6 noenhanced textcolor rgb '#1e293b' width 1{}\n",
                        crowded ? "outside right top vertical" : "above left", crowded ? "" : " maxrows 8");
  }
  text += axes_of(figure, unit, bars);
  if (!figure.fitted && figure.categories.empty()) text += "set offsets graph 0, graph 0.02, graph 0.05, 0\n";
  if (!figure.categories.empty()) text += "set offsets 0, 0, graph 0.05, 0\n";

  std::vector<std::size_t> order;  // bands lie below the others, and are named last
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    if (figure.series[i].band) order.push_back(i);
  }
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    if (!figure.series[i].band) order.push_back(i);
  }
  std::size_t bar = 0;
  for (const std::size_t i : order) {
    const Series& series = figure.series[i];
    const std::string name = fmt::format("$figure{}_{}", number, i);
    const bool is_bar = !figure.categories.empty() && series.line;
    const double shift =
        is_bar ? (static_cast<double>(bar) - 0.5 * static_cast<double>(bars - 1)) * 0.8 / static_cast<double>(bars) : 0;
    if (is_bar) ++bar;
    const Blocks blocks = blocks_of(figure, series, unit, name, shift);
    text += blocks.text + labels_of(figure, series, unit);
    const std::string title =
        series.in_key ? "title " + quoted(series.key.empty() ? series.name : series.key) : "notitle";
    if (is_bar) {
      items += fmt::format("{} using 1:2 with boxes lw 1 lc rgb '{}' fillstyle solid {} border {}, \\\n", name,
                           colour_of(series), bar % 2 == 1 ? "0.9" : "0.45", title);
    } else {
      std::string style = series.line ? series.points ? "linespoints" : "lines" : "points";
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
                           is_bar ? "#1e293b" : colour_of(series));
    }
  }
  for (const ReferenceLine& line : figure.lines) {
    items += fmt::format("{} with lines lw {} dt {} lc rgb '{}' title {}, \\\n", figure.percent ? 100 * line.y : line.y,
                         line.strong ? 1.8 : 1.4, line.strong ? "(10,5)" : "(3,4)", line.strong ? "#92400e" : "#475569",
                         quoted(line.name));
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
  text += terminal_of(Format::svg, figure) + "set output " + quoted(svg) + "\n" + key_font(16) + plot + "set output\n";
  for (const Format format : formats) {
    if (format == Format::svg) continue;  // is there already
    text += terminal_of(format, figure) + "set output " + quoted(folder / (figure.id + suffix_of(format))) + "\n" +
            key_font(8) + "replot\nset output\n";
  }
  return text;
}

}  // namespace clip_hpc
