// One series of a figure as gnuplot is told it: its points, colour, marks and labels.
#pragma once

#include <string>

#include "postprocess/figures/figures.hpp"
#include "postprocess/figures/gnuplot_axes.hpp"

namespace clip_hpc {

// gnuplot's data blocks of a series: the points, and below another name those that have error bars.
struct SeriesBlocks {
  std::string text;
  bool has_bars = false;
};
SeriesBlocks blocks_of(const Figure& figure, const Series& whole, const AxisUnit& unit, const std::string& name,
                       double shift);

std::string colour_of(const Series& series);
std::string labels_of(const Figure& figure, const Series& series, const AxisUnit& unit);

// The items of the plot command that draw it. `bar`: which bar of a group it is, from 1; 0: it is a line or marks.
std::string plot_items(const Series& series, const std::string& name, const SeriesBlocks& blocks, std::size_t bar);

}  // namespace clip_hpc
