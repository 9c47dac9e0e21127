// Ranges, ticks and units of a figure's axes, as gnuplot is told them.
#pragma once

#include <string>

#include "postprocess/figures/figures.hpp"

namespace clip_hpc {

std::string gnuplot_text(const std::string& text);  // a quoted string

struct AxisUnit {
  double size;
  const char* word;
};
AxisUnit x_unit_of(const Figure& figure);  // of the numbers on the x axis: millions

double largest_x(const Figure& figure);
double at_or_zero(const std::vector<double>& values, std::size_t i);

std::string axes_of(const Figure& figure, const AxisUnit& unit, std::size_t bars);  // `bars`: in a group

}  // namespace clip_hpc
