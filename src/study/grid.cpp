#include "clip_hpc/study/grid.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "study/grid/grid_rules.hpp"
#include "study/grid/grid_values.hpp"

namespace clip_hpc {
namespace {

struct Reading {
  Grid grid;
  Settings base, set;
};

// A key of [study] or of [class NAME].
struct GridKey {
  const char* name;
  void (*read)(Reading& reading, const IniLine& line);
};

const std::filesystem::path& file_of(const Reading& reading) { return reading.grid.file; }

void read_name(Reading& reading, const IniLine& line) {
  if (!is_label(line.value)) {
    fail_at(file_of(reading), line.number, "name may have letters, digits and . + -, got \"{}\"", line.value);
  }
  reading.grid.name = line.value;
}

// `[ axis  tower ]` is [axis tower].
std::vector<IniLine> read_lines(const std::filesystem::path& file) {
  std::vector<IniLine> lines = read_ini_file(file, "the grid", "--grid");
  for (IniLine& line : lines) {
    if (line.section_number == 0) throw at_line(file, line.number, "a line before the first [section]");
    line.section = fmt::format("{}", fmt::join(split_words(line.section), " "));
  }
  return lines;
}

void read_base(Reading& reading, const IniLine& line) {
  if (!std::filesystem::exists(line.value)) {
    fail_at(file_of(reading), line.number,
            "base {} does not exist; paths are relative to the folder in which you start", line.value);
  }
  Settings from_file;
  for (const IniLine& inner : read_lines(line.value)) {
    if (inner.key.empty()) continue;
    const std::string key = inner.section + "." + inner.key;
    if (find_config_key(key) == nullptr) {
      fail_at(line.value, inner.number, "unknown key \"{}\"; did you mean \"{}\"?", key, nearest_config_key(key));
    }
    from_file[key].push_back(inner.value);
  }
  // run.name and run.dir are the cell's own.
  from_file.erase("run.name");
  from_file.erase("run.dir");
  lay_over(from_file, reading.base);
}

void read_not_yet(Reading& reading, const IniLine& line) {
  for (const std::string& word : split_words(line.value)) {
    const Term term = parse_term(reading.grid, word, line.number);
    for (const std::string& label : term.labels) reading.grid.not_yet.emplace_back(term.axis, label);
  }
}

void read_time(Reading& reading, const IniLine& line) {
  if (line.value.empty() || line.value.find_first_not_of("0123456789:-") != std::string::npos) {
    fail_at(file_of(reading), line.number, "time is written as for sbatch, 24:00:00 or 2-00:00:00, got \"{}\"",
            line.value);
  }
  reading.grid.classes.back().time = line.value;
}

void read_fork_cooldowns(Reading& reading, const IniLine& line) {
  if (line.value != "yes" && line.value != "no") {
    fail_at(file_of(reading), line.number, "fork_cooldowns is yes or no, got \"{}\"", line.value);
  }
  reading.grid.fork_cooldowns = line.value == "yes";
}

template <std::int64_t SizeClass::*Member>
void read_size(Reading& reading, const IniLine& line) {
  reading.grid.classes.back().*Member = whole_number(file_of(reading), line, 1);
}

constexpr GridKey kStudyKeys[] = {
    {"name", read_name},
    {"base", read_base},
    {"train_count",
     [](Reading& reading, const IniLine& line) { reading.grid.train_count = whole_number(file_of(reading), line, 1); }},
    {"scores", [](Reading& reading, const IniLine& line) { reading.grid.scores = line.value; }},
    {"tflops",
     [](Reading& reading, const IniLine& line) { reading.grid.tflops = positive_number(file_of(reading), line); }},
    {"rate", [](Reading& reading, const IniLine& line) { reading.grid.rate_file = line.value; }},
    {"attempts",
     [](Reading& reading, const IniLine& line) { reading.grid.attempts = whole_number(file_of(reading), line, 1); }},
    {"fork_cooldowns", read_fork_cooldowns},
    {"not_yet", read_not_yet},
};

constexpr GridKey kClassKeys[] = {
    {"max_gpu_hours",
     [](Reading& reading, const IniLine& line) {
       reading.grid.classes.back().max_gpu_hours = positive_number(file_of(reading), line);
     }},
    {"nodes", read_size<&SizeClass::nodes>},
    {"ranks_per_node", read_size<&SizeClass::ranks_per_node>},
    {"cpus_per_rank", read_size<&SizeClass::cpus_per_rank>},
    {"limit", read_size<&SizeClass::limit>},
    {"time", read_time},
};

void read_key(std::span<const GridKey> keys, Reading& reading, const IniLine& line) {
  std::vector<std::string> names;
  for (const GridKey& key : keys) {
    if (line.key == key.name) return key.read(reading, line);
    names.emplace_back(key.name);
  }
  fail_at(file_of(reading), line.number, "unknown key \"{}\" of [{}]; did you mean \"{}\"?", line.key, line.section,
          nearest_word(line.key, names));
}

void read_study_line(Reading& reading, const IniLine& line) {
  if (!line.key.empty()) read_key(kStudyKeys, reading, line);
}

void read_set_line(Reading& reading, const IniLine& line) {
  if (line.key.empty()) {
    reading.grid.settings_line = line.number;
  } else {
    add_setting(file_of(reading), reading.set, line.key, line.value, line.number);
  }
}

void read_rules_line(Reading& reading, const IniLine& line) {
  if (!line.key.empty()) reading.grid.rules.push_back(parse_rule(reading.grid, line));
}

void read_class_line(Reading& reading, const IniLine& line) {
  if (!line.key.empty()) return read_key(kClassKeys, reading, line);
  SizeClass& size = reading.grid.classes.emplace_back();
  size.name = name_in_section(file_of(reading), line);
  size.line = line.number;
}

void read_prepare_line(Reading& reading, const IniLine& line) {
  if (line.key.empty()) return;
  if (line.value.find("{}") == std::string::npos) {
    fail_at(file_of(reading), line.number, "the command that makes {} needs {{}}, where it writes to", line.key);
  }
  reading.grid.prepare.push_back({line.key, line.value, line.number});
}

void read_stage_line(Reading& reading, const IniLine& line) {
  if (line.key.empty()) return;
  if (line.key != "words") {
    fail_at(file_of(reading), line.number, "[{}] takes words = …, the words of clip_hpc eval", line.section);
  }
  reading.grid.stages.push_back({line.section, line.value, line.number});
}

// The sections of a grid file. Axes are read before all others, which name them.
struct SectionKind {
  const char* name;
  bool is_named;  // [name NAME]
  void (*read)(Reading& reading, const IniLine& line);
};
constexpr SectionKind kSections[] = {
    {"study", false, read_study_line},
    {"set", false, read_set_line},
    {"axis", true, [](Reading& reading, const IniLine& line) { read_axis_line(reading.grid, line); }},
    {"grid", true, [](Reading& reading, const IniLine& line) { read_block_line(reading.grid, line); }},
    {"rules", false, read_rules_line},
    {"class", true, read_class_line},
    {"prepare", false, read_prepare_line},
    {"eval", false, read_stage_line},
    {"probe", false, read_stage_line},
};

const SectionKind& kind_of(const Reading& reading, const IniLine& line) {
  const std::string kind = line.section.substr(0, line.section.find(' '));
  std::vector<std::string> known;
  for (const SectionKind& section : kSections) {
    if (section.name == (section.is_named ? kind : line.section)) return section;
    known.push_back(fmt::format("[{}{}]", section.name, section.is_named ? " NAME" : ""));
  }
  fail_at(file_of(reading), line.section_number, "unknown section [{}]; known: {}", line.section,
          fmt::join(known, ", "));
}

GridBlock all_combinations(const Grid& grid) {
  GridBlock all{.name = "all", .picks = {}, .pairs = {}, .rules = {}, .line = grid.axes.front().line};
  for (const Axis& axis : grid.axes) {
    all.picks.emplace_back(axis.name, std::vector<std::string>{});
    for (const AxisValue& value : axis.values) all.picks.back().second.push_back(value.label);
  }
  return all;
}

void order_classes(Grid& grid) {
  if (grid.classes.empty()) grid.classes.emplace_back().name = "all";
  std::ranges::stable_sort(grid.classes, [](const SizeClass& a, const SizeClass& b) {
    return b.max_gpu_hours == 0 ? a.max_gpu_hours != 0 : a.max_gpu_hours != 0 && a.max_gpu_hours < b.max_gpu_hours;
  });
  if (grid.classes.back().max_gpu_hours != 0) {
    fail_at(grid.file, grid.classes.back().line,
            "the largest class needs no max_gpu_hours: larger cells would have no class");
  }
}

void order_stages(Grid& grid) {
  for (std::size_t i = 0; i < grid.stages.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (grid.stages[i].name == grid.stages[j].name) {
        fail_at(grid.file, grid.stages[i].line, "[{}] has two lines: give all words in one", grid.stages[i].name);
      }
    }
  }
  std::ranges::stable_sort(grid.stages, {}, &Stage::name);  // eval before probe
}

Grid finished(Reading reading) {
  Grid& grid = reading.grid;
  if (grid.axes.empty()) throw input_error("{}: no [axis NAME]: a study has at least one", grid.file.native());
  grid.settings = reading.base;
  lay_over(reading.set, grid.settings);
  if (grid.blocks.empty()) grid.blocks.push_back(all_combinations(grid));
  check_pairs(grid);
  order_classes(grid);
  order_stages(grid);
  return std::move(grid);
}

}  // namespace

Grid read_grid(const std::filesystem::path& file) {
  Reading reading;
  reading.grid.file = file;
  reading.grid.name = file.stem().string();
  const std::vector<IniLine> lines = read_lines(file);
  const auto is_axis = [](const IniLine& line) { return line.section.starts_with("axis"); };
  for (const IniLine& line : lines) {
    if (is_axis(line)) read_axis_line(reading.grid, line);
  }
  for (const Axis& axis : reading.grid.axes) {
    if (axis.values.empty()) fail_at(file, axis.line, "axis {} has no values", axis.name);
  }
  for (const IniLine& line : lines) {
    const SectionKind& kind = kind_of(reading, line);
    if (!is_axis(line)) kind.read(reading, line);
  }
  return finished(std::move(reading));
}

void lay_over(const Settings& layer, Settings& settings) {
  if (layer.contains("train.epochs") && !layer.contains("train.samples")) settings.erase("train.samples");
  if (layer.contains("train.samples")) settings.erase("train.epochs");
  for (const auto& [key, values] : layer) settings[key] = values;
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

}  // namespace clip_hpc
