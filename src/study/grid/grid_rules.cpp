#include "study/grid/grid_rules.hpp"

#include <algorithm>

#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "study/grid/grid_values.hpp"

namespace clip_hpc {
namespace {

const Axis& axis_called(const Grid& grid, const std::string& name, int line) {
  const auto found = std::ranges::find(grid.axes, name, &Axis::name);
  if (found != grid.axes.end()) return *found;
  std::vector<std::string> names;
  for (const Axis& axis : grid.axes) names.push_back(axis.name);
  fail_at(grid.file, line, "there is no axis \"{}\"; did you mean \"{}\"?", name, nearest_word(name, names));
}

std::vector<std::string> labels_of(const Axis& axis) {
  std::vector<std::string> labels;
  for (const AxisValue& value : axis.values) labels.push_back(value.label);
  return labels;
}

void check_label(const Grid& grid, const Axis& axis, const std::string& label, int line) {
  if (std::ranges::find(axis.values, label, &AxisValue::label) != axis.values.end()) return;
  fail_at(grid.file, line, "axis {} has no value \"{}\"; did you mean \"{}\"?", axis.name, label,
          nearest_word(label, labels_of(axis)));
}

void add_value(const Grid& grid, Axis& axis, const IniLine& line, const std::string& label, Settings settings) {
  if (!is_label(label)) {
    fail_at(grid.file, line.number, "a label may have letters, digits and . + -, got \"{}\": write LABEL = {}={}",
            label, line.key, line.value);
  }
  if (std::ranges::find(axis.values, label, &AxisValue::label) != axis.values.end()) {
    fail_at(grid.file, line.number, "axis {} has two values called {}", axis.name, label);
  }
  axis.values.push_back({label, std::move(settings), line.number});
}

void begin_axis(Grid& grid, const IniLine& line, const std::string& name) {
  if (std::ranges::find(grid.axes, name, &Axis::name) != grid.axes.end()) {
    fail_at(grid.file, line.number, "axis {} is defined twice", name);
  }
  if (name == "pair" || name == "skip" || name == "override") {
    fail_at(grid.file, line.number, "{} is the name of a rule", name);
  }
  grid.axes.push_back({name, {}, line.number});
}

void begin_block(Grid& grid, const IniLine& line) {
  const std::string name = name_in_section(grid.file, line);
  if (std::ranges::find(grid.blocks, name, &GridBlock::name) != grid.blocks.end()) {
    fail_at(grid.file, line.number, "grid {} is defined twice", name);
  }
  grid.blocks.push_back({.name = name, .picks = {}, .pairs = {}, .rules = {}, .line = line.number});
}

void add_pair(const Grid& grid, GridBlock& block, const IniLine& line) {
  std::vector<std::string> names = split_words(line.value);
  if (names.size() < 2) fail_at(grid.file, line.number, "pair takes two axes or more");
  for (const std::string& name : names) axis_called(grid, name, line.number);
  block.pairs.push_back({std::move(names), line.number});
}

void check_pair(const Grid& grid, const GridBlock& block, const PairedAxes& pair) {
  std::size_t length = 0;
  for (const std::string& name : pair.axes) {
    const auto pick = std::ranges::find_if(block.picks, [&](const auto& one) { return one.first == name; });
    if (pick == block.picks.end()) {
      fail_at(grid.file, pair.line, "pair names axis {}, which [grid {}] does not give", name, block.name);
    }
    if (length != 0 && pick->second.size() != length) {
      fail_at(grid.file, pair.line, "paired axes need as many values each: {} has {}, {} has {}", pair.axes.front(),
              length, name, pick->second.size());
    }
    length = pick->second.size();
  }
}

}  // namespace

void read_axis_line(Grid& grid, const IniLine& line) {
  const std::string name = name_in_section(grid.file, line);
  if (line.key.empty()) return begin_axis(grid, line, name);
  Axis& axis = grid.axes.back();
  const bool is_list =
      line.key.find('.') != std::string::npos && !line.value.empty() && line.value.find('=') == std::string::npos;
  if (!is_list) {
    add_value(grid, axis, line, line.key, parse_settings(grid.file, line.value, line.number));
    return;
  }
  // "run.seed = 0 1": one value each, called as it is written.
  const std::vector<std::string> values = split_words(line.value);
  if (values.empty()) fail_at(grid.file, line.number, "{} has no values", line.key);
  for (const std::string& value : values) {
    Settings settings;
    add_setting(grid.file, settings, line.key, value, line.number);
    add_value(grid, axis, line, value, std::move(settings));
  }
}

Term parse_term(const Grid& grid, const std::string& word, int line) {
  const auto equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail_at(grid.file, line, "expected axis=label or axis!=label, got \"{}\"", word);
  }
  Term term;
  term.is_negated = word[equals - 1] == '!';
  term.axis = word.substr(0, equals - (term.is_negated ? 1 : 0));
  for (const std::string_view label : split_text(std::string_view(word).substr(equals + 1), ',')) {
    term.labels.emplace_back(label);
  }
  if (term.labels.back().empty()) term.labels.pop_back();  // "a,": as if there were no comma
  if (term.labels.empty()) fail_at(grid.file, line, "\"{}\" names no label", word);
  const Axis& axis = axis_called(grid, term.axis, line);
  for (const std::string& label : term.labels) check_label(grid, axis, label, line);
  return term;
}

Rule parse_rule(const Grid& grid, const IniLine& line) {
  Rule rule;
  rule.line = line.number;
  if (line.key != "skip" && line.key != "override") {
    fail_at(grid.file, line.number, "unknown rule \"{}\": skip = TERMS, override = TERMS : SETTINGS{}", line.key,
            line.section == "rules" ? "" : ", pair = AXES");
  }
  rule.skips = line.key == "skip";
  std::string terms = line.value;
  if (!rule.skips) {
    const auto colon = line.value.find(" : ");
    if (colon == std::string::npos) {
      fail_at(grid.file, line.number, "override is written override = axis=label : key=value");
    }
    terms = line.value.substr(0, colon);
    rule.settings = parse_settings(grid.file, line.value.substr(colon + 3), line.number);
    if (rule.settings.empty()) fail_at(grid.file, line.number, "override sets nothing");
  }
  for (const std::string& word : split_words(terms)) rule.when.push_back(parse_term(grid, word, line.number));
  if (rule.when.empty()) {
    fail_at(grid.file, line.number, "{} names no axis: it would apply to every cell", line.key);
  }
  return rule;
}

void read_block_line(Grid& grid, const IniLine& line) {
  if (line.key.empty()) return begin_block(grid, line);
  GridBlock& block = grid.blocks.back();
  if (line.key == "skip" || line.key == "override") {
    block.rules.push_back(parse_rule(grid, line));
    return;
  }
  if (line.key == "pair") return add_pair(grid, block, line);
  const Axis& axis = axis_called(grid, line.key, line.number);
  if (std::ranges::any_of(block.picks, [&](const auto& pick) { return pick.first == axis.name; })) {
    fail_at(grid.file, line.number, "axis {} is given twice in [grid {}]", axis.name, block.name);
  }
  std::vector<std::string> labels = split_words(line.value);
  if (labels == std::vector<std::string>{"*"}) labels = labels_of(axis);
  if (labels.empty()) fail_at(grid.file, line.number, "axis {} is given no value", axis.name);
  for (const std::string& label : labels) check_label(grid, axis, label, line.number);
  block.picks.emplace_back(axis.name, std::move(labels));
}

void check_pairs(const Grid& grid) {
  for (const GridBlock& block : grid.blocks) {
    for (const PairedAxes& pair : block.pairs) check_pair(grid, block, pair);
  }
}

}  // namespace clip_hpc
