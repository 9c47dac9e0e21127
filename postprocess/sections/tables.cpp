#include "postprocess/sections/tables.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "postprocess/figures/catalogue.hpp"
#include "postprocess/figures/figures.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kLongTable = 40;

struct Column {
  std::string name;
  const std::vector<StudyPoint>* points;
};

using Key = std::tuple<double, std::string, std::string, double, double, double>;
Key key_of(const StudyPoint& p) { return {p.gmacs, p.tower, p.strategy, -p.quality, p.set, p.samples}; }

TableWord count_word(double count) { return {short_count(count), fmt::format("{:.0f}", count)}; }

std::string number(const Table& table, double value) {
  const std::string text = fmt::format("{:.{}f}", value, table.decimals);
  return text.find_first_not_of("-0.") == std::string::npos ? fmt::format("{:.{}f}", 0.0, table.decimals) : text;
}

// The greatest of each column, and those that cannot be told from it as they are printed.
void mark_best(Table& table) {
  if (table.rows.size() < 2) return;
  for (std::size_t column = 0; column < table.metrics.size(); ++column) {
    double best = -std::numeric_limits<double>::infinity();
    for (const Table::Row& row : table.rows) {
      if (std::isfinite(row.values[column].value)) best = std::max(best, row.values[column].value);
    }
    for (Table::Row& row : table.rows) {
      TableValue& one = row.values[column];
      one.best = std::isfinite(one.value) && number(table, one.value) == number(table, best);
    }
  }
}

Table measured_table(const std::string& id, const std::string& title, const std::vector<Column>& columns) {
  Table table{id, title, {}, {"tower", "strategy"}, {}, {}, 1};
  std::map<Key, std::vector<TableValue>> rows;
  std::map<Key, const StudyPoint*> runs;
  int most_runs = 1;
  bool has_shares = false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    table.metrics.push_back(columns[i].name);
    for (const StudyPoint& p : *columns[i].points) {
      std::vector<TableValue>& values = rows[key_of(p)];
      values.resize(columns.size());
      values[i] = {100 * (1 - p.error), 100 * p.spread, false};
      runs.emplace(key_of(p), &p);
      most_runs = std::max(most_runs, p.runs);
      has_shares = has_shares || p.quality < 1;
    }
  }
  if (has_shares) table.heads.emplace_back("share of the data");
  table.heads.insert(table.heads.end(), {"distinct pairs", "samples seen"});
  if (most_runs > 1) table.heads.emplace_back("seeds");
  for (auto& [key, values] : rows) {
    const StudyPoint& p = *runs.at(key);
    Table::Row row{{{p.tower, p.tower}, {p.strategy, p.strategy}}, std::move(values)};
    if (has_shares) row.words.push_back({fmt::format("{:.3g} %", 100 * p.quality), fmt::format("{}", p.quality)});
    row.words.push_back(count_word(p.set));
    row.words.push_back(count_word(p.samples));
    if (most_runs > 1) row.words.push_back({std::to_string(p.runs), std::to_string(p.runs)});
    table.rows.push_back(std::move(row));
  }
  mark_best(table);
  table.note = "In %, best of each column in bold.";
  if (most_runs > 1) table.note += fmt::format(" ±: half the range over {} seeds.", most_runs);
  return table;
}

void add_family(std::vector<Table>& tables, const Roles& roles, const std::string& id, const std::string& title,
                Role main, const std::vector<RoleMeasure>& others, std::initializer_list<Role> more) {
  std::vector<Column> columns;
  std::string means;
  const auto add = [&](const RoleMeasure& measure, const std::string& name) {
    if (!measure.points.empty()) columns.push_back({name, &measure.points});
  };
  if (const auto found = roles.measures.find(main); found != roles.measures.end())
    add(found->second, found->second.name);
  for (const RoleMeasure& one : others) add(one, one.name);
  for (const Role role : more) {
    const auto found = roles.measures.find(role);
    if (found == roles.measures.end() || (others.size() == 1 && !found->second.sets.empty())) continue;
    const RoleMeasure& measure = found->second;
    if (role == Role::variants_without_real && roles.measures.contains(Role::variants) &&
        measure.sets == roles.measures.at(Role::variants).sets) {
      continue;
    }
    const bool is_mean = role == Role::variants || role == Role::variants_without_real || role == Role::probe_variants;
    add(measure, is_mean ? measure.name : measure.name + ", " + measure.how);
    if (!measure.sets.empty()) means += fmt::format(" {}: {}.", measure.name, measure.sets);
  }
  if (columns.empty()) return;
  Table table = measured_table(id, title, columns);
  table.note += means;
  tables.push_back(std::move(table));
}

// How far above the line the runs of a series lie, on the mean.
void add_robustness(std::vector<Table>& tables, const std::string& id, const std::string& how, const RoleMeasure& main,
                    const std::vector<RoleMeasure>& others, const std::string& base, Scale scale) {
  Table beyond{"robustness_" + id, "Effective robustness, " + how, {}, {"tower", "strategy", "points"}, {}, {}, 2};
  Table lines{
      "robustness_lines_" + id,
      "Lines of robustness, " + how,
      fmt::format("Accuracy on each set against that on {}, least squares on {} axes.", main.name, name_of(scale)),
      {"set", "line through", "points"},
      {"slope", "intercept", "R²"},
      {},
      3};
  struct Sum {
    std::size_t points = 0;
    std::vector<double> sums, counts;
  };
  std::map<std::tuple<double, std::string, std::string>, Sum> series;
  for (const RoleMeasure& other : others) {
    const Robustness robust = robustness_of(main, other, base, scale);
    if (!robust.fit) continue;
    const std::size_t column = beyond.metrics.size();
    beyond.metrics.push_back(other.name);
    const std::string count = std::to_string(robust.fit->points);
    lines.rows.push_back(
        {{{other.name, other.name}, {robust.baseline, robust.baseline}, {count, count}},
         {{robust.fit->slope, 0, false}, {robust.fit->intercept, 0, false}, {robust.fit->r2, 0, false}}});
    for (const RobustPoint& point : robust.points) {
      if (!std::isfinite(point.beyond)) continue;
      Sum& sum = series[{point.run.gmacs, point.run.tower, point.run.strategy}];
      sum.sums.resize(others.size());
      sum.counts.resize(others.size());
      sum.sums[column] += point.beyond;
      sum.counts[column] += 1;
      sum.points = std::max(sum.points, static_cast<std::size_t>(sum.counts[column]));
    }
  }
  if (lines.rows.empty()) return;
  for (const auto& [key, sum] : series) {
    const std::string count = std::to_string(sum.points);
    Table::Row row{{{std::get<1>(key), std::get<1>(key)}, {std::get<2>(key), std::get<2>(key)}, {count, count}}, {}};
    for (std::size_t i = 0; i < beyond.metrics.size(); ++i) {
      row.values.push_back({sum.counts[i] > 0 ? 100 * sum.sums[i] / sum.counts[i] : std::nan(""), 0, false});
    }
    beyond.rows.push_back(std::move(row));
  }
  mark_best(beyond);
  beyond.note = fmt::format(
      "Points of accuracy above what the line through {} gives for the accuracy on {}; mean over the runs of a series.",
      lines.rows.front().words[1].shown, main.name);
  tables.push_back(std::move(beyond));
  tables.push_back(std::move(lines));
}

std::string latex_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        safe += std::string("\\") + c;
        break;
      case '~':
        safe += "\\textasciitilde{}";
        break;
      case '^':
        safe += "\\textasciicircum{}";
        break;
      case '\\':
        safe += "\\textbackslash{}";
        break;
      case '<':
        safe += "\\textless{}";
        break;
      case '>':
        safe += "\\textgreater{}";
        break;
      default:
        safe += c;
    }
  }
  for (const auto& [sign, word] : {std::pair{"R²", "$R^2$"}, {"±", "$\\pm$"}}) {
    for (auto at = safe.find(sign); at != std::string::npos; at = safe.find(sign, at + 1)) {
      safe.replace(at, std::string(sign).size(), word);
    }
  }
  return safe;
}

std::string markdown_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (std::string_view("|\\`*_<>[]").find(c) != std::string_view::npos) safe += '\\';
    safe += c == '\n' ? ' ' : c;
  }
  return safe;
}

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

bool has_spread(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const Table::Row& row) { return row.values[column].spread > 0; });
}

}  // namespace

std::vector<Table> tables_of(const Roles& roles, Scale scale) {
  std::vector<Table> tables;
  add_family(tables, roles, "zeroshot", "Zero-shot classification", Role::zeroshot, roles.variants,
             {Role::variants, Role::variants_without_real});
  for (const auto& [id, title, low, high] :
       {std::tuple{"fewshot", "Few-shot classification", Role::fewshot_low, Role::fewshot_high},
        {"retrieval", "Retrieval, recall@1", Role::image_to_text, Role::text_to_image}}) {
    std::vector<Column> columns;
    for (const Role role : {low, high}) {
      const auto found = roles.measures.find(role);
      if (found == roles.measures.end()) continue;
      columns.push_back({found->second.name + ", " + found->second.how, &found->second.points});
    }
    if (!columns.empty()) tables.push_back(measured_table(id, title, columns));
  }
  add_family(tables, roles, "linear_probe", "Linear probe", Role::probe, roles.probe_variants, {Role::probe_variants});
  const std::string base = base_strategy(roles);
  if (!roles.variants.empty()) {
    add_robustness(tables, "zeroshot", "zero-shot", roles.measures.at(Role::zeroshot), roles.variants, base, scale);
  }
  if (!roles.probe_variants.empty()) {
    add_robustness(tables, "linear_probe", "linear probe", roles.measures.at(Role::probe), roles.probe_variants, base,
                   scale);
  }
  return tables;
}

std::string html_of(const Table& table) {
  std::string text = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& head : table.heads) text += "<th class=\"text\">" + escape_html(head) + "</th>";
  for (const std::string& metric : table.metrics) text += "<th>" + escape_html(metric) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (const Table::Row& row : table.rows) {
    text += "<tr>";
    for (const TableWord& word : row.words) text += "<td class=\"text\">" + escape_html(word.shown) + "</td>";
    for (const TableValue& one : row.values) {
      if (!std::isfinite(one.value)) {
        text += "<td>–</td>";
        continue;
      }
      const std::string value =
          number(table, one.value) + (one.spread > 0 ? " ± " + number(table, one.spread) : std::string());
      text += one.best ? "<td><b>" + value + "</b></td>" : "<td>" + value + "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n" +
         (table.note.empty() ? "" : "<p class=\"note\">" + escape_html(table.note) + "</p>\n");
}

std::string markdown_of(const Table& table) {
  std::string text = fmt::format("## {}\n\n", markdown_text(table.title)), rule;
  for (const std::string& head : table.heads) {
    text += "| " + markdown_text(head) + " ";
    rule += "|---";
  }
  for (const std::string& metric : table.metrics) {
    text += "| " + markdown_text(metric) + " ";
    rule += "|---:";
  }
  text += "|\n" + rule + "|\n";
  for (const Table::Row& row : table.rows) {
    for (const TableWord& word : row.words) text += fmt::format("| {} ", markdown_text(word.shown));
    for (const TableValue& one : row.values) {
      const bool measured = std::isfinite(one.value);
      const std::string spread = measured && one.spread > 0 ? " ± " + number(table, one.spread) : std::string();
      text += fmt::format("| {0}{1}{2}{0} ", one.best ? "**" : "", measured ? number(table, one.value) : "–", spread);
    }
    text += "|\n";
  }
  return text + (table.note.empty() ? "" : "\n" + markdown_text(table.note) + "\n");
}

std::string latex_of(const Table& table) {
  const bool is_long = table.rows.size() >= kLongTable;
  const char* environment = is_long ? "longtable" : "tabular";
  std::string text =
      fmt::format("% {}. Needs \\usepackage{{booktabs{}}}.\n% {}\n\\begin{{{}}}{{{}{}}}\n\\toprule\n",
                  latex_text(table.title), is_long ? ",longtable" : "", latex_text(table.note), environment,
                  std::string(table.heads.size(), 'l'), std::string(table.metrics.size(), 'r'));
  const char* between = "";
  for (const std::string& head : table.heads) {
    text += between + latex_text(head);
    between = " & ";
  }
  for (const std::string& metric : table.metrics) text += between + latex_text(metric);
  text += is_long ? " \\\\\n\\midrule\n\\endhead\n" : " \\\\\n\\midrule\n";
  for (const Table::Row& row : table.rows) {
    between = "";
    for (const TableWord& word : row.words) {
      text += between + latex_text(word.shown);
      between = " & ";
    }
    for (const TableValue& one : row.values) {
      std::string value = std::isfinite(one.value) ? number(table, one.value) : "--";
      if (one.best) value = "\\mathbf{" + value + "}";
      if (std::isfinite(one.value)) {
        value = "$" + value + (one.spread > 0 ? " \\pm " + number(table, one.spread) : std::string()) + "$";
      }
      text += between + value;
    }
    text += " \\\\\n";
  }
  return text + "\\bottomrule\n\\end{" + environment + "}\n";
}

std::string csv_of(const Table& table) {
  std::string text;
  const char* between = "";
  const auto add = [&](const std::string& cell) {
    text += between + csv_text(cell);
    between = ",";
  };
  for (const std::string& head : table.heads) add(head);
  for (std::size_t i = 0; i < table.metrics.size(); ++i) {
    add(table.metrics[i]);
    if (has_spread(table, i)) add("± " + table.metrics[i]);
  }
  text += "\n";
  for (const Table::Row& row : table.rows) {
    between = "";
    for (const TableWord& word : row.words) add(word.exact);
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const TableValue& one = row.values[i];
      add(std::isfinite(one.value) ? fmt::format("{:.6g}", one.value) : "");
      if (has_spread(table, i)) add(std::isfinite(one.value) ? fmt::format("{:.6g}", one.spread) : "");
    }
    text += "\n";
  }
  return text;
}

}  // namespace clip_hpc
