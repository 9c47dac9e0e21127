// One figure: its data, its SVG (drawn by gnuplot), its CSV. Knows nothing of runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;  // NaN: a gap in the line
  int colour = 0;         // index into the palette: one colour a run, in every figure
  bool dashed = false;
  bool points = false;  // few values: mark each
};

struct ReferenceLine {  // horizontal, for example chance
  std::string name;
  double y = 0;
  bool strong = false;
};

struct Figure {
  std::string id;     // file name and SVG name: letters, digits, '_'
  std::string title;  // of the HTML caption, not drawn
  std::string x_name = "samples seen";
  std::string y_name;
  bool log_x = false;
  bool log_y = false;
  bool percent = false;  // y is a share 0..1, shown as 0..100 %
  bool from_zero = false;
  bool smooth = false;  // long lines are drawn as means of windows; else thinned so that every spike stays
  std::vector<Series> series;
  std::vector<ReferenceLine> lines;
};

// The program gnuplot on PATH; throws input, naming the package, when there is none.
std::filesystem::path find_gnuplot();

// An <svg> element to stand inside HTML. Throws storage with gnuplot's own words when it fails.
std::string draw_svg(const Figure& figure, const std::filesystem::path& gnuplot);

std::string csv_of(const Figure& figure);  // series,x,y: one row a point, nothing left out

}  // namespace clip_hpc
