#include "clip_hpc/eval/suite.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"
#include "clip_hpc/eval/tasks/task.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

using Words = std::vector<std::string>;

const Words kOwnKeys{"dataset", "path", "task", "metric"};
const Words kPaths{"train_data", "templates", "classnames", "classes", "label_map", "multilabel"};
// Of [eval], but about more than one evaluation.
const Words kNotOfASection{"every_samples", "data", "tasks", "pictures", "per_class", "average"};

struct Line {
  int number = 0;
  std::string key, value;
};

struct Section {
  std::string name;
  int number = 0;
  std::vector<Line> lines;
};

bool holds(const Words& words, const std::string& word) { return std::ranges::find(words, word) != words.end(); }

std::vector<Section> read_sections(const fs::path& file) {
  std::vector<Section> sections;
  for (const IniLine& line : read_ini_file(file, "the suite", "--suite")) {
    if (line.section_number == 0) throw at_line(file, line.number, "a line before the first [SECTION]");
    if (!line.key.empty()) {
      sections.back().lines.push_back({line.number, line.key, line.value});
      continue;
    }
    const std::string name(trim(line.section));
    if (std::ranges::find(sections, name, &Section::name) != sections.end()) {
      throw at_line(file, line.number, fmt::format("[{}] is there twice: give each section a name of its own", name));
    }
    sections.push_back({name, line.number, {}});
  }
  return sections;
}

Words eval_keys() {  // that a section may have
  EvalOptions options;
  OptionTable table;
  describe(table, options);
  Words keys;
  for (const std::string& name : table.names()) {
    const std::string key = name.substr(name.find('.') + 1);
    if (!holds(kNotOfASection, key)) keys.push_back(key);
  }
  return keys;
}

// The lines as overrides of [eval]; own keys go into `own`.
Words overrides_of(const fs::path& file, const Section& section, const fs::path& root, const Words& known,
                   std::map<std::string, std::string>& own) {
  Words overrides;
  for (const Line& line : section.lines) {
    if (!holds(known, line.key)) {
      throw input_error("{}:{}: unknown key \"{}\" in [{}]; did you mean \"{}\"?", file.native(), line.number, line.key,
                        section.name, nearest_word(line.key, known));
    }
    if (holds(kOwnKeys, line.key)) {
      if (!own.emplace(line.key, line.value).second) {
        throw input_error("{}:{}: \"{}\" is there twice in [{}]: a section is one task on one set", file.native(),
                          line.number, line.key, section.name);
      }
      continue;
    }
    const bool is_path = holds(kPaths, line.key) && !line.value.empty();
    overrides.push_back(
        fmt::format("eval.{}={}", line.key, is_path ? packed_path(root / line.value).native() : line.value));
  }
  return overrides;
}

SuiteAverage average_of(const fs::path& file, const Line& line, const std::vector<SuiteEntry>& entries) {
  const std::size_t colon = line.value.find(':');
  if (colon == std::string::npos) {
    throw input_error("{}:{}: average = NAME: section, section is wanted, got \"{}\"", file.native(), line.number,
                      line.value);
  }
  SuiteAverage average{std::string(trim(std::string_view(line.value).substr(0, colon))), {}};
  Words names;
  for (const SuiteEntry& entry : entries) names.push_back(entry.section);
  std::string_view rest = std::string_view(line.value).substr(colon + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string name(trim(rest.substr(0, comma)));
    if (name == "*") {
      average.sections = names;
    } else if (!holds(names, name)) {
      throw input_error("{}:{}: the average \"{}\" names [{}], which is no section; did you mean [{}]?", file.native(),
                        line.number, average.name, name, nearest_word(name, names));
    } else {
      average.sections.push_back(name);
    }
    if (comma == std::string_view::npos) return average;
    rest.remove_prefix(comma + 1);
  }
}

SuiteEntry entry_of(const fs::path& file, const Section& section, const fs::path& root, const Words& known,
                    const Words& common, const EvalOptions& defaults) {
  SuiteEntry entry;
  entry.section = section.name;
  entry.options = defaults;
  std::map<std::string, std::string> own{};
  Words overrides = common;
  for (std::string& one :
       overrides_of(file, section, root, known, own)) {  // a section's lists replace those of [suite]
    const std::string key = one.substr(0, one.find('=') + 1);
    std::erase_if(overrides, [&](const std::string& old) { return old.starts_with(key) && holds(common, old); });
    overrides.push_back(std::move(one));
  }
  const auto where = [&] { return fmt::format("{}:{}: [{}]", file.native(), section.number, section.name); };
  if (own["path"].empty()) throw input_error("{} has no path: name its packed set", where());
  entry.dataset = own["dataset"].empty() ? section.name : own["dataset"];
  entry.task = own["task"].empty() ? "zeroshot" : own["task"];
  try {
    one_of(eval_task_names())("task", entry.task);
    const EvalTask& task = find_eval_task(entry.task);
    entry.metric = own["metric"].empty() ? task.main_metric : own["metric"];
    one_of(task.metrics)("metric", entry.metric);
    OptionTable table;
    describe(table, entry.options);
    entry.options.data = {packed_path(root / own["path"]).native()};
    entry.options.tasks = {entry.task};
    entry.options.average.clear();
    table.parse({}, overrides);
    if (task.learns() && entry.options.train_data.empty()) {
      throw input_error("{} needs train_data, a split to learn from", entry.task);
    }
    task.variants(entry.options);
  } catch (const Error& problem) {
    throw Error(problem.kind(), fmt::format("{}: {}", where(), problem.what()));
  }
  return entry;
}

}  // namespace

Suite read_suite(const fs::path& file, const fs::path& data_root, const EvalOptions& defaults) {
  Suite suite{file.stem().native(), file, {}, {}};
  const std::vector<Section> sections = read_sections(file);
  const Words keys = eval_keys();
  Words common;
  std::vector<Line> averages;
  for (const Section& section : sections) {
    if (section.name != "suite") continue;
    Section others = section;
    std::erase_if(others.lines, [&](const Line& line) {
      if (line.key == "average") averages.push_back(line);
      return line.key == "average";
    });
    Words known = keys;
    known.emplace_back("average");
    std::map<std::string, std::string> none;
    common = overrides_of(file, others, data_root, known, none);
  }
  Words known = kOwnKeys;
  known.insert(known.end(), keys.begin(), keys.end());
  std::map<std::pair<std::string, std::string>, std::string> seen;  // (dataset, task, labels and variants) -> section
  for (const Section& section : sections) {
    if (section.name == "suite") continue;
    SuiteEntry entry = entry_of(file, section, data_root, known, common, defaults);
    const EvalTask& task = find_eval_task(entry.task);
    const std::string what = fmt::format("{} {} {}", entry.task, task.takes_labels ? entry.options.labels : Words{},
                                         task.variants(entry.options));
    const auto [other, fresh] = seen.try_emplace({entry.dataset, what}, section.name);
    if (!fresh) {
      throw input_error("{}:{}: [{}] and [{}] would have the same results: give one another dataset name",
                        file.native(), section.number, other->second, section.name);
    }
    suite.entries.push_back(std::move(entry));
  }
  if (suite.entries.empty()) throw input_error("{} names no data set: add a section [NAME] with a path", file.native());
  for (const Line& line : averages) suite.averages.push_back(average_of(file, line, suite.entries));
  return suite;
}

std::optional<double> suite_metric(const std::string& metric, const std::map<std::string, double>& metrics) {
  if (metric == "mean_recall@1") {
    const auto image = metrics.find("image_retrieval_recall@1"), text = metrics.find("text_retrieval_recall@1");
    if (image == metrics.end() || text == metrics.end()) return std::nullopt;
    return (image->second + text->second) / 2;
  }
  const auto found = metrics.find(metric);
  if (found == metrics.end()) return std::nullopt;
  return found->second;
}

}  // namespace clip_hpc
