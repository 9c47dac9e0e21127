#include "postprocess/sections/config_section.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "clip_hpc/base/json.hpp"
#include "postprocess/html/html_table.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kFewKeys = 16;  // of many runs: a column each; more: a list for each run

std::string shown(std::string value) {
  std::ranges::replace(value, '\n', ' ');
  return value.empty() ? "(empty)" : value;
}

Field value_field(const ConfigDiff::Key& key, std::size_t run) {
  const int place = key.of_run[run];
  if (place < 0) return {};
  const std::string& value = key.values[static_cast<std::size_t>(place)];
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  const bool is_number = !value.empty() && *end == '\0';
  return {escape_html(shown(value)), is_number ? number : kNoNumber};
}

// The value that most runs have.
int usual(const ConfigDiff::Key& key) {
  std::vector<int> counts(key.values.size() + 1);
  for (const int place : key.of_run) ++counts[static_cast<std::size_t>(std::int64_t{place} + 1)];
  return static_cast<int>(std::ranges::max_element(counts) - counts.begin()) - 1;
}

HtmlTable few_runs(const ConfigDiff& diff) {  // keys x runs
  HtmlTable table{.id = "differences", .columns = {{"key", true}}, .rows = {}, .foot = {}, .row_word = "keys"};
  for (const std::string& run : diff.runs) table.columns.push_back({run, true});
  for (const ConfigDiff::Key& key : diff.keys) {
    std::vector<Field> row{text_field(key.name)};
    for (std::size_t run = 0; run < diff.runs.size(); ++run) row.push_back(value_field(key, run));
    table.rows.push_back(std::move(row));
  }
  return table;
}

HtmlTable many_runs(const ConfigDiff& diff) {
  HtmlTable table{.id = "differences", .columns = {{"run", true}}, .rows = {}, .foot = {}, .row_word = "runs"};
  const bool as_columns = diff.keys.size() <= kFewKeys;
  if (as_columns) {
    for (const ConfigDiff::Key& key : diff.keys) table.columns.push_back({key.name, true});
  } else {
    table.columns.push_back({"where it differs from most runs", true});
  }
  for (std::size_t run = 0; run < diff.runs.size(); ++run) {
    std::vector<Field> row{text_field(diff.runs[run])};
    std::string list;
    for (const ConfigDiff::Key& key : diff.keys) {
      if (as_columns) {
        row.push_back(value_field(key, run));
      } else if (key.of_run[run] != usual(key)) {
        const Field field = value_field(key, run);
        list += fmt::format("{}{} = {}", list.empty() ? "" : "; ", escape_html(key.name),
                            field.html.empty() ? "not set" : field.html);
      }
    }
    if (!as_columns) row.push_back({list.empty() ? "nowhere" : list, kNoNumber});
    table.rows.push_back(std::move(row));
  }
  return table;
}

// For the comparison of two runs, as data: no script runs out of it. "<" would end its element.
std::string data_element(const ConfigDiff& diff) {
  Json json = {{"runs", diff.runs}, {"keys", Json::array()}};
  for (const ConfigDiff::Key& key : diff.keys) {
    json["keys"].push_back({{"name", key.name}, {"values", key.values}, {"of_run", key.of_run}});
  }
  std::string text;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return "<script type=\"application/json\" id=\"configs\">" + text + "</script>\n<div id=\"compare\"></div>\n";
}

std::string as_ini(const Config& config) {
  std::string text, section;
  for (const auto& [name, values] : config) {
    const auto dot = name.find('.');
    const std::string of = dot == std::string::npos ? "" : name.substr(0, dot);
    if (of != section) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section = of);
    std::size_t start = 0;
    do {
      const std::size_t stop = std::min(values.find('\n', start), values.size());
      text += fmt::format("{} = {}\n", dot == std::string::npos ? name : name.substr(dot + 1),
                          values.substr(start, stop - start));
      start = stop + 1;
    } while (start < values.size());
  }
  return text;
}

}  // namespace

std::string config_section(const ConfigDiff& diff) {
  if (diff.runs.empty()) return "";
  std::string text;
  if (diff.runs.size() > 1) {
    text += diff.keys.empty()
                ? "<p>All runs have the same configuration.</p>\n"
                : fmt::format(
                      "<p class=\"note\">{} of {} keys differ between the {} runs; run.name and run.dir do not "
                      "count.</p>\n",
                      diff.keys.size(), diff.keys.size() + diff.common.size(), diff.runs.size());
    if (!diff.keys.empty()) {
      text += to_html(diff.runs.size() <= kFewRuns ? few_runs(diff) : many_runs(diff)) + data_element(diff);
    }
  }
  return text + fmt::format("<details><summary>{} ({} keys)</summary>\n<pre>{}</pre></details>\n",
                            diff.runs.size() == 1 ? "All keys" : "The same in all runs", diff.common.size(),
                            escape_html(as_ini(diff.common)));
}

}  // namespace clip_hpc
