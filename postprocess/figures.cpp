#include "figures.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
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
#include "html.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

// Each has a contrast of 3:1 or more on the figure card of both the light and the dark page.
constexpr std::array<const char*, 8> kPalette{"#0b62a4", "#c2410c", "#15803d", "#7e22ce",
                                              "#be185d", "#0f766e", "#854d0e", "#475569"};
constexpr std::size_t kBuckets = 300;  // a drawn line has at most twice as many points
constexpr std::size_t kWindows = 60;   // of a smooth line

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

class SpawnActions {  // what the child does with its file descriptors
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  void open(int fd, const char* path, int flags) {
    ::posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0600);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

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

std::string data_of(const Figure& figure, const Unit& unit) {
  const double width = largest_x(figure) / static_cast<double>(kWindows);
  std::string text;
  for (const Series& whole : figure.series) {
    const Series series = figure.smooth ? smoothed(whole, width) : whole;
    for (const std::size_t i : drawn_points(series)) {
      if (figure.log_x && series.x[i] <= 0) continue;
      const double y = figure.percent ? 100 * series.y[i] : series.y[i];
      if (std::isfinite(y) && (!figure.log_y || y > 0)) {
        text += fmt::format("{} {}\n", series.x[i] / unit.size, y);
      } else {
        text += "\n";  // one empty line breaks the line
      }
    }
    text += "\n\n";  // two end the data set
  }
  return text;
}

// A logarithmic axis of errors spans about one decade: its marks are named one by one.
std::string log_y_of(const Figure& figure) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const Series& series : figure.series) {
    for (const double y : series.y) {
      if (!std::isfinite(y) || y <= 0) continue;
      least = std::min(least, y);
      most = std::max(most, y);
    }
  }
  if (most <= 0) return "";
  const double factor = figure.percent ? 100 : 1;
  std::string text =
      fmt::format("set logscale y\nset yrange [{}:{}]\nset ytics (", 0.95 * factor * least, 1.05 * factor * most);
  const char* comma = "";
  for (double decade = 1e-6; decade < 1e6; decade *= 10) {
    for (const double mark : {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0}) {
      const double at = mark * decade;
      if (at < 0.95 * factor * least || at > 1.05 * factor * most) continue;
      text += fmt::format("{}{:.6g}", comma, at);
      comma = ", ";
    }
  }
  return text + ")\n";
}

std::string script_of(const Figure& figure, const Unit& unit, const fs::path& data, const fs::path& svg) {
  const bool crowded = figure.series.size() > 8;  // then its key stands beside it
  std::string text = fmt::format(
      "set terminal svg size 620,{} dynamic noenhanced font 'sans-serif,16' name '{}'\n"
      "set output {}\nset encoding utf8\n"
      "set border 3 lw 1 lc rgb '#64748b'\nset grid lt 1 lw 0.6 lc rgb '#c3cad4'\n"
      "set tics nomirror scale 0.5 textcolor rgb '#334155'\n"
      "set xlabel {} textcolor rgb '#334155'\nset ylabel {} textcolor rgb '#334155'\n"
      "set key {} Left reverse samplen 2 textcolor rgb '#1e293b' width 2{}\n",
      crowded ? 480 : 420, figure.id, quoted(svg),
      quoted(*unit.word == '\0' ? figure.x_name : figure.x_name + " (" + unit.word + ")"),
      quoted(figure.percent ? figure.y_name + " (%)" : figure.y_name),
      crowded ? "outside right top vertical font ',11'" : "above left", crowded ? "" : " maxrows 8");
  if (figure.log_x) {
    text += "set logscale x\n";
  } else {
    text += "set xrange [0:*]\n";
  }
  if (figure.log_y) {
    text += log_y_of(figure);
  } else if (figure.from_zero || figure.percent) {
    text += "set yrange [0:*]\n";
  }
  text += "set offsets graph 0, graph 0.02, graph 0.05, 0\nplot ";
  std::size_t index = 0;
  for (const Series& series : figure.series) {
    const std::size_t colour = static_cast<std::size_t>(series.colour) % kPalette.size();
    text += fmt::format("{} index {} using 1:2 with {} lw 2 {} lc rgb '{}' {} title {}, \\\n", quoted(data), index,
                        series.points ? "linespoints" : "lines", series.dashed ? "dt 2" : "dt 1", kPalette[colour],
                        series.points ? "pt 7 ps 0.6" : "", quoted(series.name));
    ++index;
  }
  for (const ReferenceLine& line : figure.lines) {
    text += fmt::format("{} with lines lw {} dt {} lc rgb '{}' title {}, \\\n", figure.percent ? 100 * line.y : line.y,
                        line.strong ? 1.8 : 1.4, line.strong ? "(10,5)" : "(3,4)", line.strong ? "#92400e" : "#475569",
                        quoted(line.name));
  }
  return text + "\n";
}

void run_gnuplot(const fs::path& gnuplot, const fs::path& script, const fs::path& messages) {
  SpawnActions actions;
  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  actions.open(STDOUT_FILENO, "/dev/null", O_WRONLY);
  actions.open(STDERR_FILENO, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
  std::string program = gnuplot.string();
  std::string option = "-d";  // without the user's own .gnuplot
  std::string file = script.string();
  const std::array<char*, 4> arguments{program.data(), option.data(), file.data(), nullptr};
  pid_t child = 0;
  const int code = ::posix_spawn(&child, program.c_str(), actions.get(), nullptr, arguments.data(), environ);
  if (code != 0) throw storage_error("cannot start {}: {}", program, std::strerror(code));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) {
    std::string words = read_text_file(messages);
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

std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

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

std::string draw_svg(const Figure& figure, const fs::path& gnuplot) {
  const TemporaryFolder folder;
  const Unit unit = unit_of(largest_x(figure));
  write_file_atomic(folder / "data.txt", data_of(figure, unit));
  write_file_atomic(folder / "script.gp", script_of(figure, unit, folder / "data.txt", folder / "figure.svg"));
  run_gnuplot(gnuplot, folder / "script.gp", folder / "messages.txt");
  return as_element(read_text_file(folder / "figure.svg"), figure);
}

std::string csv_of(const Figure& figure) {
  std::string text = fmt::format("series,{},{}\n", csv_cell(figure.x_name), csv_cell(figure.y_name));
  for (const Series& series : figure.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      text += fmt::format("{},{},{}\n", csv_cell(series.name), csv_number(series.x[i]), csv_number(series.y[i]));
    }
  }
  for (const ReferenceLine& line : figure.lines) {
    text += fmt::format("{},,{}\n", csv_cell(line.name), csv_number(line.y));
  }
  return text;
}

}  // namespace clip_hpc
