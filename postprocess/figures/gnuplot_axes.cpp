#include "postprocess/figures/gnuplot_axes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace clip_hpc {
namespace {

AxisUnit unit_of(double largest) {
  for (const AxisUnit& unit : {AxisUnit{1e9, "billions"}, AxisUnit{1e6, "millions"}, AxisUnit{1e3, "thousands"}}) {
    if (largest >= 10 * unit.size || (unit.size > 1e3 && largest >= unit.size)) return unit;
  }
  return {1, ""};
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
    text += fmt::format("{}{} {:.6g} {}", comma, gnuplot_text(named ? tick_of(figure, at) : ""), at, named ? 0 : 1);
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

std::string bars_frame(const Figure& figure, std::size_t bars) {
  std::string text = fmt::format("set boxwidth {}\nset xrange [-0.55:{}]\nset xtics (", 0.8 / static_cast<double>(bars),
                                 static_cast<double>(figure.categories.size()) - 0.45);
  for (std::size_t i = 0; i < figure.categories.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_text(figure.categories[i]), i);
  }
  return text + ")\nset grid noxtics\n";
}

}  // namespace

// A gnuplot string. Single quotes: no escapes, no backquote commands, no variables.
std::string gnuplot_text(const std::string& text) {
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

double largest_x(const Figure& figure) {
  double largest = 0;
  for (const Series& series : figure.series) {
    for (const double x : series.x) largest = std::max(largest, x);
  }
  return largest;
}

double at_or_zero(const std::vector<double>& values, std::size_t i) {
  return i < values.size() && std::isfinite(values[i]) ? values[i] : 0;
}

AxisUnit x_unit_of(const Figure& figure) {
  const bool has_unit = figure.categories.empty() && figure.ticks == Ticks::units && !figure.percent_x;
  return has_unit ? unit_of(largest_x(figure)) : AxisUnit{1, ""};
}

std::string axes_of(const Figure& figure, const AxisUnit& unit, std::size_t bars) {
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

}  // namespace clip_hpc
