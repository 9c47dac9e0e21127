// One figure: its data, its picture (drawn by gnuplot), its CSV. Knows nothing of runs.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

inline constexpr int kGrey = -1;  // a colour that belongs to no run

struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;  // NaN: a gap in the line
  int colour = 0;         // index into the palette, and with it the shape of the marks: one a run, in every figure
  bool dashed = false;
  bool points = false;                   // few values: mark each
  bool line = true;                      // false: marks alone
  bool hollow = false;                   // marks of another source, drawn in outline
  bool band = false;                     // a broad pale line behind the others
  bool in_key = true;                    // false: it shares the entry of another
  std::string key = {};                  // its entry in the key, where that is not the name
  int shape = -1;                        // of the marks; -1: goes with the colour
  std::vector<double> spread = {};       // half the length of the error bar in y, 0: none; empty: none at all
  std::vector<double> x_spread = {};     // the same in x
  std::vector<std::string> labels = {};  // beside the marks; empty: none
};

struct ReferenceLine {  // horizontal, for example chance
  std::string name;
  double y = 0;
  bool strong = false;
};

enum class Ticks { units, counts, powers };  // of x: 10, 20 (millions); 10M, 20M; 10⁷, 10⁸ (logarithmic axes)

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
  std::string note;        // under the caption: which points these are, what the error bars mean
  bool percent_x = false;  // x is a share, too
  bool fitted = false;     // the axes begin near the data, at zero only where the data do
  Ticks ticks = Ticks::units;
  std::vector<std::string> categories;  // not empty: grouped bars, one of each series in a group; x: 0, 1, 2 …
};

enum class Format { svg, png, pdf };
Format format_of(const std::string& word);  // throws input
const char* suffix_of(Format format);       // ".svg"

// The program gnuplot on PATH; throws input, naming the package, when there is none.
std::filesystem::path find_gnuplot();

// Throws input, naming the package, where gnuplot cannot write one of the formats.
void check_formats(const std::filesystem::path& gnuplot, std::span<const Format> formats);

// An <svg> element to stand inside HTML. Throws storage with gnuplot's own words when it fails.
std::string draw_svg(const Figure& figure, const std::filesystem::path& gnuplot);

struct Drawing {
  std::string svg;      // as of draw_svg
  std::string problem;  // why there is none
};

// All of them in few processes; `folder`/ID.png and so on are written beside where `formats` ask for it. A figure that
// gnuplot fails at costs itself alone.
std::vector<Drawing> draw_figures(std::span<const Figure> figures, const std::filesystem::path& gnuplot,
                                  std::span<const Format> formats = {}, const std::filesystem::path& folder = {});

// series,x,y: one row a point, nothing left out. With error bars their half lengths, with groups their names.
std::string csv_of(const Figure& figure);

std::string short_count(double count);  // 25M, 3.4B, 7k

}  // namespace clip_hpc
