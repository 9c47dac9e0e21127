#include "clip_hpc/study/grid.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {
namespace {

const std::vector<std::string> kStudyKeys{"study.count", "study.fraction", "study.cost", "study.gmacs",
                                          "study.mparams"};
// Keys whose value may be written 25M.
const std::set<std::string> kCountKeys{"study.count",       "train.samples",      "train.global_batch",
                                       "train.micro_batch", "eval.every_samples", "run.log_every"};

struct Line {
  std::string section;  // "axis tower"
  std::string key;
  std::string value;
  int number = 0;
  int section_line = 0;
};

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

// As clip_hpc reads a configuration: [section], key = value, # starts a comment anywhere. A section without lines
// counts.
std::vector<Line> read_lines(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw input_error("cannot open {}: check --grid", file.native());
  std::vector<Line> lines;
  std::string section, text;
  int number = 0, section_line = 0;
  while (std::getline(stream, text)) {
    ++number;
    text = trimmed(text.substr(0, text.find('#')));
    if (text.empty()) continue;
    if (text.front() == '[') {
      if (text.back() != ']') throw at_line(file, number, "a section is written [name]");
      section = fmt::format("{}", fmt::join(words_of(text.substr(1, text.size() - 2)), " "));
      section_line = number;
      lines.push_back({section, "", "", number, section_line});
      continue;
    }
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw at_line(file, number, fmt::format("expected key = value, got \"{}\"", text));
    }
    if (section.empty()) throw at_line(file, number, "a line before the first [section]");
    lines.push_back({section, trimmed(text.substr(0, equals)), trimmed(text.substr(equals + 1)), number, section_line});
  }
  return lines;
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) { grid_.file = file; }

  Grid read() {
    grid_.name = grid_.file.stem().string();
    const std::vector<Line> lines = read_lines(grid_.file);
    // Axes first: blocks and rules name them, wherever they stand.
    for (const Line& line : lines) {
      if (line.section.starts_with("axis")) read_axis(line);
    }
    for (const Axis& axis : grid_.axes) {
      if (axis.values.empty()) fail(axis.line, "axis {} has no values", axis.name);
    }
    for (const Line& line : lines) read_line(line);
    finish();
    return std::move(grid_);
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(int line, fmt::format_string<Args...> format, Args&&... args) const {
    throw at_line(grid_.file, line, fmt::format(format, std::forward<Args>(args)...));
  }

  void read_line(const Line& line) {
    const std::string kind = line.section.substr(0, line.section.find(' '));
    if (kind == "axis") return;
    if (line.section == "study") return read_study(line);
    if (line.section == "set") return read_set(line);
    if (kind == "grid") return read_block(line);
    if (line.section == "rules") {
      if (!line.key.empty()) grid_.rules.push_back(read_rule(line));
      return;
    }
    if (kind == "class") return read_class(line);
    if (line.section == "prepare") {
      if (line.key.empty()) return;
      if (line.value.find("{}") == std::string::npos) {
        fail(line.number, "the command that makes {} needs {{}}, where it writes to", line.key);
      }
      grid_.prepare.push_back({line.key, line.value, line.number});
      return;
    }
    if (line.section == "eval" || line.section == "probe") {
      if (line.key.empty()) return;
      if (line.key != "words") fail(line.number, "[{}] takes words = …, the words of clip_hpc eval", line.section);
      grid_.stages.push_back({line.section, line.value, line.number});
      return;
    }
    fail(line.section_line,
         "unknown section [{}]; known: [study], [set], [axis NAME], [grid NAME], [rules], [class NAME], [prepare], "
         "[eval], [probe]",
         line.section);
  }

  std::string name_in(const Line& line) const {
    const std::vector<std::string> words = words_of(line.section);
    if (words.size() != 2 || !is_label(words[1])) {
      fail(line.section_line, "a section of this kind has one name of letters, digits and . + -: [{} NAME]", words[0]);
    }
    if (words[0] == "class" && words[1].find('.') != std::string::npos) {  // it divides the names of jobs
      fail(line.section_line, "the name of a class has no point, got \"{}\"", words[1]);
    }
    return words[1];
  }
  // No "_": it joins the labels of a cell's name, so that different labels make different names.
  static bool is_label(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '+' || c == '-';
    });
  }

  std::int64_t whole(const Line& line, std::int64_t low) const {
    const std::int64_t value = parse_count(line.value);
    if (value < low) fail(line.number, "{} must be a whole number from {}, got \"{}\"", line.key, low, line.value);
    return value;
  }
  double number(const Line& line) const {
    std::size_t used = 0;
    double value = -1;
    try {
      value = std::stod(line.value, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != line.value.size() || !(value > 0) || !std::isfinite(value)) {
      fail(line.number, "{} must be a number above 0, got \"{}\"", line.key, line.value);
    }
    return value;
  }

  void read_study(const Line& line) {
    if (line.key.empty()) return;
    if (line.key == "name") {
      if (!is_label(line.value)) fail(line.number, "name may have letters, digits and . + -, got \"{}\"", line.value);
      grid_.name = line.value;
    } else if (line.key == "base") {
      add_base(line);
    } else if (line.key == "train_count") {
      grid_.train_count = whole(line, 1);
    } else if (line.key == "scores") {
      grid_.scores = line.value;
    } else if (line.key == "tflops") {
      grid_.tflops = number(line);
    } else if (line.key == "rate") {
      grid_.rate_file = line.value;
    } else if (line.key == "attempts") {
      grid_.attempts = whole(line, 1);
    } else if (line.key == "not_yet") {
      for (const std::string& word : words_of(line.value)) {
        const Term term = read_term(word, line.number);
        for (const std::string& label : term.labels) grid_.not_yet.emplace_back(term.axis, label);
      }
    } else {
      fail(line.number, "unknown key \"{}\" of [study]; did you mean \"{}\"?", line.key,
           nearest_word(line.key, {"name", "base", "train_count", "scores", "tflops", "rate", "attempts", "not_yet"}));
    }
  }

  void add_base(const Line& line) {
    if (!std::filesystem::exists(line.value)) {
      fail(line.number, "base {} does not exist; paths are relative to the folder in which you start", line.value);
    }
    Settings from_file;
    for (const Line& inner : read_lines(line.value)) {
      if (inner.key.empty()) continue;
      const std::string key = inner.section + "." + inner.key;
      if (find_config_key(key) == nullptr) {
        throw at_line(line.value, inner.number,
                      fmt::format("unknown key \"{}\"; did you mean \"{}\"?", key, nearest_config_key(key)));
      }
      from_file[key].push_back(inner.value);
    }
    // run.name and run.dir are the cell's own.
    from_file.erase("run.name");
    from_file.erase("run.dir");
    lay_over(from_file, base_);
  }

  void read_set(const Line& line) {
    if (line.key.empty()) {
      grid_.settings_line = line.number;
      return;
    }
    add_setting(set_, line.key, line.value, line.number);
  }

  // Checks the key and, unless some build may not know it yet, leaves the value to the check of the whole cell.
  void add_setting(Settings& settings, const std::string& key, std::string value, int line) const {
    if (kCountKeys.contains(key)) {
      const std::int64_t count = parse_count(value);
      if (count < 0) fail(line, "{} must be a number of samples (128, 10k, 25M, 3.4B), got \"{}\"", key, value);
      value = std::to_string(count);
    }
    if (key.starts_with("study.")) {
      if (std::ranges::find(kStudyKeys, key) == kStudyKeys.end()) {
        fail(line, "unknown key \"{}\"; did you mean \"{}\"?", key, nearest_word(key, kStudyKeys));
      }
      Line as_line{"", key, value, line, line};
      const double amount = number(as_line);
      if (key == "study.fraction" && amount > 1) fail(line, "study.fraction must lie in (0, 1], got {}", value);
      settings[key] = {value};
      return;
    }
    const ConfigKey* known = find_config_key(key);
    if (known == nullptr) fail(line, "unknown key \"{}\"; did you mean \"{}\"?", key, nearest_config_key(key));
    if (key == "run.name" || key == "run.dir" || key == "data.subset") {
      fail(line, "{} is set by the study itself{}", key, key == "data.subset" ? ": use study.count" : "");
    }
    std::vector<std::string>& values = settings[key];
    if (!values.empty() && !known->repeatable()) fail(line, "{} is given twice", key);
    values.push_back(value);
  }

  Settings read_settings(const std::string& text, int line) const {
    Settings settings;
    for (const std::string& word : words_of(text)) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) {
        fail(line, "expected section.key=value, got \"{}\" (no blanks around \"=\")", word);
      }
      add_setting(settings, word.substr(0, equals), word.substr(equals + 1), line);
    }
    return settings;
  }

  void read_axis(const Line& line) {
    const std::string name = name_in(line);
    const auto same_name = std::ranges::find(grid_.axes, name, &Axis::name);
    if (line.key.empty()) {
      if (same_name != grid_.axes.end()) fail(line.number, "axis {} is defined twice", name);
      if (name == "pair" || name == "skip" || name == "override") fail(line.number, "{} is the name of a rule", name);
      grid_.axes.push_back({name, {}, line.number});
      return;
    }
    Axis& axis = grid_.axes.back();
    const auto add = [&](const std::string& label, Settings settings) {
      if (!is_label(label)) {
        fail(line.number, "a label may have letters, digits and . + -, got \"{}\": write LABEL = {}={}", label,
             line.key, line.value);
      }
      if (std::ranges::find(axis.values, label, &AxisValue::label) != axis.values.end()) {
        fail(line.number, "axis {} has two values called {}", name, label);
      }
      axis.values.push_back({label, std::move(settings), line.number});
    };
    const bool is_list =
        line.key.find('.') != std::string::npos && !line.value.empty() && line.value.find('=') == std::string::npos;
    if (!is_list) {
      add(line.key, read_settings(line.value, line.number));
      return;
    }
    // "run.seed = 0 1": one value each, called as it is written.
    const std::vector<std::string> values = words_of(line.value);
    if (values.empty()) fail(line.number, "{} has no values", line.key);
    for (const std::string& value : values) {
      Settings settings;
      add_setting(settings, line.key, value, line.number);
      add(value, std::move(settings));
    }
  }

  const Axis& axis_called(const std::string& name, int line) const {
    const auto found = std::ranges::find(grid_.axes, name, &Axis::name);
    if (found != grid_.axes.end()) return *found;
    std::vector<std::string> names;
    for (const Axis& axis : grid_.axes) names.push_back(axis.name);
    fail(line, "there is no axis \"{}\"; did you mean \"{}\"?", name, nearest_word(name, names));
  }

  void check_label(const Axis& axis, const std::string& label, int line) const {
    if (std::ranges::find(axis.values, label, &AxisValue::label) != axis.values.end()) return;
    std::vector<std::string> labels;
    for (const AxisValue& value : axis.values) labels.push_back(value.label);
    fail(line, "axis {} has no value \"{}\"; did you mean \"{}\"?", axis.name, label, nearest_word(label, labels));
  }

  Term read_term(const std::string& word, int line) const {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) fail(line, "expected axis=label or axis!=label, got \"{}\"", word);
    Term term;
    term.is_negated = word[equals - 1] == '!';
    term.axis = word.substr(0, equals - (term.is_negated ? 1 : 0));
    term.labels = split(word.substr(equals + 1), ',');
    if (term.labels.empty()) fail(line, "\"{}\" names no label", word);
    const Axis& axis = axis_called(term.axis, line);
    for (const std::string& label : term.labels) check_label(axis, label, line);
    return term;
  }

  Rule read_rule(const Line& line) const {
    Rule rule;
    rule.line = line.number;
    if (line.key != "skip" && line.key != "override") {
      fail(line.number, "unknown rule \"{}\": skip = TERMS, override = TERMS : SETTINGS{}", line.key,
           line.section == "rules" ? "" : ", pair = AXES");
    }
    rule.skips = line.key == "skip";
    std::string terms = line.value;
    if (!rule.skips) {
      const auto colon = line.value.find(" : ");
      if (colon == std::string::npos) fail(line.number, "override is written override = axis=label : key=value");
      terms = line.value.substr(0, colon);
      rule.settings = read_settings(line.value.substr(colon + 3), line.number);
      if (rule.settings.empty()) fail(line.number, "override sets nothing");
    }
    for (const std::string& word : words_of(terms)) rule.when.push_back(read_term(word, line.number));
    if (rule.when.empty()) fail(line.number, "{} names no axis: it would apply to every cell", line.key);
    return rule;
  }

  void read_block(const Line& line) {
    if (line.key.empty()) {
      const std::string name = name_in(line);
      if (std::ranges::find(grid_.blocks, name, &Block::name) != grid_.blocks.end()) {
        fail(line.number, "grid {} is defined twice", name);
      }
      grid_.blocks.push_back({.name = name, .picks = {}, .pairs = {}, .rules = {}, .line = line.number});
      return;
    }
    Block& block = grid_.blocks.back();
    if (line.key == "skip" || line.key == "override") {
      block.rules.push_back(read_rule(line));
      return;
    }
    if (line.key == "pair") {
      const std::vector<std::string> names = words_of(line.value);
      if (names.size() < 2) fail(line.number, "pair takes two axes or more");
      for (const std::string& name : names) axis_called(name, line.number);
      block.pairs.push_back(names);
      pair_lines_[&block - grid_.blocks.data()].push_back(line.number);
      return;
    }
    const Axis& axis = axis_called(line.key, line.number);
    if (std::ranges::any_of(block.picks, [&](const auto& pick) { return pick.first == axis.name; })) {
      fail(line.number, "axis {} is given twice in [grid {}]", axis.name, block.name);
    }
    std::vector<std::string> labels = words_of(line.value);
    if (labels == std::vector<std::string>{"*"}) {
      labels.clear();
      for (const AxisValue& value : axis.values) labels.push_back(value.label);
    }
    if (labels.empty()) fail(line.number, "axis {} is given no value", axis.name);
    for (const std::string& label : labels) check_label(axis, label, line.number);
    block.picks.emplace_back(axis.name, std::move(labels));
  }

  void read_class(const Line& line) {
    if (line.key.empty()) {
      grid_.classes.emplace_back();
      grid_.classes.back().name = name_in(line);
      grid_.classes.back().line = line.number;
      return;
    }
    SizeClass& size = grid_.classes.back();
    if (line.key == "max_gpu_hours") {
      size.max_gpu_hours = number(line);
    } else if (line.key == "nodes") {
      size.nodes = whole(line, 1);
    } else if (line.key == "ranks_per_node") {
      size.ranks_per_node = whole(line, 1);
    } else if (line.key == "cpus_per_rank") {
      size.cpus_per_rank = whole(line, 1);
    } else if (line.key == "limit") {
      size.limit = whole(line, 1);
    } else if (line.key == "time") {
      if (line.value.empty() || line.value.find_first_not_of("0123456789:-") != std::string::npos) {
        fail(line.number, "time is written as for sbatch, 24:00:00 or 2-00:00:00, got \"{}\"", line.value);
      }
      size.time = line.value;
    } else {
      fail(line.number, "unknown key \"{}\" of [class {}]; did you mean \"{}\"?", line.key, size.name,
           nearest_word(line.key, {"max_gpu_hours", "nodes", "ranks_per_node", "cpus_per_rank", "limit", "time"}));
    }
  }

  void finish() {
    if (grid_.axes.empty()) throw input_error("{}: no [axis NAME]: a study has at least one", grid_.file.native());
    grid_.settings = base_;
    lay_over(set_, grid_.settings);
    if (grid_.blocks.empty()) {  // all combinations
      Block all{.name = "all", .picks = {}, .pairs = {}, .rules = {}, .line = grid_.axes.front().line};
      for (const Axis& axis : grid_.axes) {
        all.picks.emplace_back(axis.name, std::vector<std::string>{});
        for (const AxisValue& value : axis.values) all.picks.back().second.push_back(value.label);
      }
      grid_.blocks.push_back(std::move(all));
    }
    for (std::size_t b = 0; b < grid_.blocks.size(); ++b) {
      for (std::size_t p = 0; p < grid_.blocks[b].pairs.size(); ++p) {
        check_pair(grid_.blocks[b], grid_.blocks[b].pairs[p], pair_lines_[static_cast<std::ptrdiff_t>(b)][p]);
      }
    }
    if (grid_.classes.empty()) {
      grid_.classes.emplace_back();
      grid_.classes.back().name = "all";
    }
    std::ranges::stable_sort(grid_.classes, [](const SizeClass& a, const SizeClass& b) {
      return b.max_gpu_hours == 0 ? a.max_gpu_hours != 0 : a.max_gpu_hours != 0 && a.max_gpu_hours < b.max_gpu_hours;
    });
    if (grid_.classes.back().max_gpu_hours != 0) {
      fail(grid_.classes.back().line, "the largest class needs no max_gpu_hours: larger cells would have no class");
    }
    for (std::size_t i = 0; i < grid_.stages.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (grid_.stages[i].name == grid_.stages[j].name) {
          fail(grid_.stages[i].line, "[{}] has two lines: give all words in one", grid_.stages[i].name);
        }
      }
    }
    std::ranges::stable_sort(grid_.stages, {}, &Stage::name);  // eval before probe
  }

  void check_pair(const Block& block, const std::vector<std::string>& names, int line) const {
    std::size_t length = 0;
    for (const std::string& name : names) {
      const auto pick = std::ranges::find_if(block.picks, [&](const auto& one) { return one.first == name; });
      if (pick == block.picks.end()) fail(line, "pair names axis {}, which [grid {}] does not give", name, block.name);
      if (length != 0 && pick->second.size() != length) {
        fail(line, "paired axes need as many values each: {} has {}, {} has {}", names.front(), length, name,
             pick->second.size());
      }
      length = pick->second.size();
    }
  }

  Grid grid_;
  Settings base_, set_;
  std::map<std::ptrdiff_t, std::vector<int>> pair_lines_;
};

}  // namespace

void lay_over(const Settings& layer, Settings& settings) {
  if (layer.contains("train.epochs") && !layer.contains("train.samples")) settings.erase("train.samples");
  if (layer.contains("train.samples")) settings.erase("train.epochs");
  for (const auto& [key, values] : layer) settings[key] = values;
}

Error at_line(const std::filesystem::path& file, int line, const std::string& what) {
  return input_error("{}:{}: {}", file.native(), line, what);
}

std::int64_t parse_count(const std::string& text) {
  if (text.empty()) return -1;
  double factor = 1;
  std::string digits = text;
  switch (text.back()) {
    case 'k':
      factor = 1e3;
      break;
    case 'M':
      factor = 1e6;
      break;
    case 'B':
      factor = 1e9;
      break;
    default:
      break;
  }
  if (factor > 1) digits.pop_back();
  if (digits.empty() || digits.find_first_not_of("0123456789.") != std::string::npos) return -1;
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(digits, &used) * factor;
  } catch (const std::exception&) {
    return -1;
  }
  if (used != digits.size() || value > 9e15 || std::abs(value - std::round(value)) > 1e-6 * factor) return -1;
  return std::llround(value);
}

Grid read_grid(const std::filesystem::path& file) { return Reader(file).read(); }

}  // namespace clip_hpc
