#include "postprocess/figures/figures.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/html.hpp"
#include "clip_hpc/base/process.hpp"
#include "postprocess/figures/gnuplot_script.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kFiguresAProcess = 64;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "clip_report_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw storage_error("cannot create a temporary folder {}: {}", name, std::strerror(errno));
    }
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

void run_gnuplot(const fs::path& gnuplot, const fs::path& script) {
  const ProgramOutput done = run_program({gnuplot.native(), "-d", script.native()});  // -d: without the user's .gnuplot
  if (!done.has_started) throw storage_error("cannot start {}", gnuplot.native());
  if (done.exit_code != 0) {
    std::string words = done.err;
    std::replace(words.begin(), words.end(), '\n', ' ');
    throw storage_error("gnuplot failed: {}", words.substr(0, 500));
  }
}

// gnuplot's file as an element of an HTML page: without prolog, and with a name that a screen reader can say.
std::string as_element(std::string svg, const Figure& figure) {
  const auto start = svg.find("<svg");
  const auto title = svg.find("<title>");
  const auto after = svg.find("</desc>");
  if (start == std::string::npos || title == std::string::npos || after == std::string::npos) {
    throw storage_error("gnuplot wrote no SVG: is this gnuplot 5 or newer?");
  }
  svg.replace(title, after + std::strlen("</desc>") - title, "");
  svg.insert(start + std::strlen("<svg"), fmt::format(" role=\"img\" aria-label=\"{}\"", escape_html(figure.title)));
  return svg.substr(start);
}

std::string csv_cell(const std::string& text) {
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{:.12g}", value) : ""; }

}  // namespace

fs::path find_gnuplot() {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const fs::path candidate = fs::path(rest.substr(0, colon)) / "gnuplot";
    if (::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate)) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  throw input_error(
      "gnuplot is not on PATH: install the package gnuplot-nox (apt-get install gnuplot-nox, or module load gnuplot)");
}

Format format_of(const std::string& word) {
  if (word == "svg") return Format::svg;
  if (word == "png") return Format::png;
  if (word == "pdf") return Format::pdf;
  throw input_error("a figure can be written as svg, png or pdf, not as \"{}\"", word);
}

const char* suffix_of(Format format) {
  return format == Format::svg ? ".svg" : format == Format::png ? ".png" : ".pdf";
}

void check_formats(const fs::path& gnuplot, std::span<const Format> formats) {
  const TemporaryFolder folder;
  for (const Format format : formats) {
    const char* terminal = format == Format::svg ? "svg" : format == Format::png ? "pngcairo" : "pdfcairo";
    write_file_atomic(folder / "script.gp", fmt::format("set terminal {}\n", terminal));
    try {
      run_gnuplot(gnuplot, folder / "script.gp");
    } catch (const Error&) {
      throw input_error(
          "{} has no terminal {}: install the package gnuplot-nox (apt-get install gnuplot-nox), which is "
          "built with cairo, or leave {} out of --formats",
          gnuplot.native(), terminal, suffix_of(format) + 1);
    }
  }
}

std::vector<Drawing> draw_figures(std::span<const Figure> figures, const fs::path& gnuplot,
                                  std::span<const Format> formats, const fs::path& folder) {
  const TemporaryFolder scratch;
  std::vector<Drawing> drawings(figures.size());
  const auto svg_of = [&](std::size_t i) { return scratch / fmt::format("{}.svg", i).c_str(); };
  // A script ends at its first mistake: what was drawn before counts, the figure it failed at is told, the rest goes
  // on.
  for (std::size_t next = 0; next < figures.size();) {
    const std::size_t last = std::min(next + kFiguresAProcess, figures.size());
    std::string script;
    for (std::size_t i = next; i < last; ++i) script += script_of(figures[i], i, svg_of(i), formats, folder);
    write_file_atomic(scratch / "script.gp", script);
    std::string problem;
    try {
      run_gnuplot(gnuplot, scratch / "script.gp");
    } catch (const Error& error) {
      problem = error.what();
    }
    for (; next < last; ++next) {
      Drawing& drawing = drawings[next];
      std::error_code unreadable;
      const std::string text = fs::exists(svg_of(next), unreadable) ? read_text_file(svg_of(next)) : "";
      const bool stops_here = !problem.empty() && (next + 1 == last || !fs::exists(svg_of(next + 1), unreadable));
      try {
        if (stops_here) {
          drawing.problem = problem;
        } else {
          drawing.svg = as_element(text, figures[next]);
        }
      } catch (const Error& error) {
        drawing.problem = error.what();
      }
      if (!drawing.problem.empty()) {
        for (const Format format : formats) fs::remove(folder / (figures[next].id + suffix_of(format)), unreadable);
      } else if (std::ranges::find(formats, Format::svg) != formats.end()) {
        write_file_atomic(folder / (figures[next].id + ".svg"), text);
      }
      if (stops_here) {
        ++next;
        break;
      }
    }
  }
  return drawings;
}

std::string draw_svg(const Figure& figure, const fs::path& gnuplot) {
  const Drawing drawing = draw_figures(std::span(&figure, 1), gnuplot).front();
  if (!drawing.problem.empty()) throw storage_error("{}", drawing.problem);
  return drawing.svg;
}

std::string csv_of(const Figure& figure) {
  const auto has = [&](const std::vector<double> Series::*spread) {
    return std::ranges::any_of(figure.series, [&](const Series& series) { return !(series.*spread).empty(); });
  };
  const bool bars = has(&Series::spread), x_bars = has(&Series::x_spread), groups = !figure.categories.empty();
  std::string text = fmt::format("series,{},{}", csv_cell(figure.x_name), csv_cell(figure.y_name));
  if (x_bars) text += fmt::format(",{}", csv_cell("± " + figure.x_name));
  if (bars) text += fmt::format(",{}", csv_cell("± " + figure.y_name));
  text += "\n";
  for (const Series& series : figure.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const auto group = static_cast<std::size_t>(std::max(0.0, std::round(series.x[i])));
      text += fmt::format(
          "{},{},{}", csv_cell(series.name),
          groups && group < figure.categories.size() ? csv_cell(figure.categories[group]) : csv_number(series.x[i]),
          csv_number(series.y[i]));
      if (x_bars) text += "," + (i < series.x_spread.size() ? csv_number(series.x_spread[i]) : "");
      if (bars) text += "," + (i < series.spread.size() ? csv_number(series.spread[i]) : "");
      text += "\n";
    }
  }
  for (const ReferenceLine& line : figure.lines) {
    text += fmt::format("{},,{}{}\n", csv_cell(line.name), csv_number(line.y),
                        std::string(static_cast<std::size_t>(bars) + static_cast<std::size_t>(x_bars), ','));
  }
  return text;
}

std::string short_count(double count) {
  for (const auto& [size, word] : {std::pair{1e9, "B"}, {1e6, "M"}, {1e3, "k"}}) {
    if (count >= size) return fmt::format("{:.3g}{}", count / size, word);
  }
  return fmt::format("{:.4g}", count);
}

}  // namespace clip_hpc
