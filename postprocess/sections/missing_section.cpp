#include "postprocess/sections/missing_section.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "postprocess/html/html_table.hpp"
#include "postprocess/read/missing.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kLinePoints = 2;  // a line of a figure needs so many (panel_lines.cpp)
constexpr std::size_t kShownNames = 12;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShownNames); ++i)
    text += (i == 0 ? "" : ", ") + escape_html(names[i]);
  if (names.size() <= kShownNames) return text;
  std::string rest;
  for (std::size_t i = kShownNames; i < names.size(); ++i)
    rest += (i == kShownNames ? "" : ", ") + escape_html(names[i]);
  return text + fmt::format(" <details class=\"more\"><summary>and {} more</summary>{}</details>",
                            names.size() - kShownNames, rest);
}

std::string matrix_html(const StateMatrix& matrix) {
  std::string text = fmt::format(
      "<h3>{} × {}</h3>\n<p class=\"note\">Cells that are done, of those planned; other axes are counted "
      "together.</p>\n"
      "<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th scope=\"col\"></th>",
      escape_html(matrix.row_axis), escape_html(matrix.column_axis));
  for (const std::string& column : matrix.columns) text += "<th scope=\"col\">" + escape_html(column) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < matrix.rows.size(); ++r) {
    text += "<tr><th scope=\"row\">" + escape_html(matrix.rows[r]) + "</th>";
    for (const StateMatrix::Box& box : matrix.boxes[r]) {
      if (box.all() == 0) {
        text += "<td></td>";
        continue;
      }
      std::string words;
      for (int i = 0; i < kStateKinds; ++i) {
        const int cells = box.cells[static_cast<std::size_t>(i)];
        if (cells > 0)
          words += fmt::format("{}{} {}", words.empty() ? "" : ", ", cells, name_of(static_cast<StateKind>(i)));
      }
      const StateKind worst = box.worst();
      text += fmt::format("<td><span class=\"state s-{}\" title=\"{}\">{}/{}{}</span></td>", name_of(worst), words,
                          box.done(), box.all(),
                          worst == StateKind::done
                              ? ""
                              : fmt::format(" · {} {}", box.cells[static_cast<std::size_t>(worst)], name_of(worst)));
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string lack_html(const std::vector<Lack>& by_grid, const std::vector<Lack>& by_series) {
  HtmlTable table{.id = "lacks",
                  .columns = {{"of", true}, {"points"}, {"with a result"}, {"lacks", true}},
                  .rows = {},
                  .foot = {},
                  .is_sortable = false,
                  .row_word = "rows"};
  const auto add = [&](const char* word, const Lack& lack, bool is_line) {
    if (lack.without.empty()) return;
    const bool is_gone = is_line && lack.places.size() < kLinePoints;
    table.rows.push_back(
        {text_field(fmt::format("{} {}", word, lack.name)),
         number_field(lack.points, fmt::format("{}", lack.points)),
         number_field(lack.with_result, fmt::format("{}", lack.with_result)),
         {(is_gone ? "<b>Not drawn: a line needs 2 points of different compute.</b> " : "") + list_of(lack.without),
          kNoNumber}});
  };
  for (const Lack& lack : by_grid) add("grid", lack, false);
  for (const Lack& lack : by_series) add("line", lack, true);
  if (table.rows.empty()) return "";
  return "<h3>What the figures lack</h3>\n" + to_html(table);
}

std::string state_lists(const StudyView& study) {
  std::map<std::string, std::vector<std::string>> by_state;
  for (const StudyCell& cell : study.cells) {
    if (cell.kind != StateKind::done) {
      by_state[cell.not_yet.empty() ? cell.state : "not yet: " + cell.not_yet].push_back(cell.name);
    } else if (cell.results.empty()) {
      by_state["done, without a result"].push_back(cell.name);
    }
  }
  if (by_state.empty()) return "<p>No cell is missing.</p>\n";
  std::string text = "<ul class=\"gaps\">\n";
  for (const auto& [state, names] : by_state) {
    text += fmt::format("<li><b>{}</b> ({}): {}</li>\n", escape_html(state), names.size(), list_of(names));
  }
  return text + "</ul>\n";
}

std::string gaps_of_runs(const std::vector<RunRecord>& runs) {
  std::string text;
  if (runs.size() <= kFewRuns) {
    for (const RunRecord& run : runs) {
      for (const std::string& gap : run.missing) {
        text += fmt::format("<li><b>{}</b>: {}</li>\n", escape_html(run.name), escape_html(gap));
      }
    }
  } else {  // by what they lack, or hundreds of runs say the same
    std::map<std::string, std::vector<std::string>> by_gap;
    for (const RunRecord& run : runs) {
      for (const std::string& gap : run.missing) by_gap[gap].push_back(run.name);
    }
    for (const auto& [gap, names] : by_gap) {
      const bool is_all = names.size() == runs.size();
      text += fmt::format("<li>{} ({}{} run{}){}</li>\n", escape_html(gap), is_all ? "all " : "", names.size(),
                          names.size() == 1 ? "" : "s", is_all ? "" : ": " + list_of(names));
    }
  }
  if (text.empty()) return "<p>Nothing: every run has its curve, evaluations, provenance and checkpoints.</p>\n";
  return "<ul class=\"gaps\">\n" + text + "</ul>\n";
}

}  // namespace

std::string missing_section(const StudyView& study, const std::vector<RunRecord>& runs) {
  std::string text;
  if (!study.empty()) {
    text += state_lists(study);
    if (const StateMatrix matrix = state_matrix(study); !matrix.rows.empty()) text += matrix_html(matrix);
    text += lack_html(lacks_by_grid(study), lacks_by_series(study));
    if (!runs.empty()) text += "<h3>What the runs lack</h3>\n";
  }
  return text + (runs.empty() ? "" : gaps_of_runs(runs));
}

}  // namespace clip_hpc
