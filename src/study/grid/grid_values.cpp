#include "study/grid/grid_values.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {
namespace {

const std::vector<std::string> kCellFacts{"study.count", "study.fraction", "study.cost", "study.gmacs",
                                          "study.mparams"};
const std::vector<std::string> kKeysOfTheStudy{"run.name", "run.dir", "data.subset"};  // no grid sets them

bool holds(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

void add_study_setting(const std::filesystem::path& file, Settings& settings, const std::string& key,
                       const std::string& value, int line) {
  if (!holds(kCellFacts, key)) {
    fail_at(file, line, "unknown key \"{}\"; did you mean \"{}\"?", key, nearest_word(key, kCellFacts));
  }
  const double amount = positive_number(file, {"", key, value, line, line});
  if (key == "study.fraction" && amount > 1) fail_at(file, line, "study.fraction must lie in (0, 1], got {}", value);
  settings[key] = {value};
}

}  // namespace

bool is_label(const std::string& text) {
  // It becomes part of a folder's name, or all of it: "." and ".." are other folders.
  return text.find_first_not_of('.') != std::string::npos && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '+' || c == '-';
         });
}

std::string name_in_section(const std::filesystem::path& file, const IniLine& line) {
  const std::vector<std::string> words = split_words(line.section);
  if (words.size() != 2 || !is_label(words[1])) {
    fail_at(file, line.section_number, "a section of this kind has one name of letters, digits and . + -: [{} NAME]",
            words[0]);
  }
  if (words[0] == "class" && words[1].find('.') != std::string::npos) {  // it divides the names of jobs
    fail_at(file, line.section_number, "the name of a class has no point, got \"{}\"", words[1]);
  }
  return words[1];
}

std::int64_t whole_number(const std::filesystem::path& file, const IniLine& line, std::int64_t low) {
  const std::int64_t value = parse_count(line.value);
  if (value < low) {
    fail_at(file, line.number, "{} must be a whole number from {}, got \"{}\"", line.key, low, line.value);
  }
  return value;
}

double positive_number(const std::filesystem::path& file, const IniLine& line) {
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(line.value, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != line.value.size() || !(value > 0) || !std::isfinite(value)) {
    fail_at(file, line.number, "{} must be a number above 0, got \"{}\"", line.key, line.value);
  }
  return value;
}

void add_setting(const std::filesystem::path& file, Settings& settings, const std::string& key, std::string value,
                 int line) {
  const ConfigKey* known = find_config_key(key);
  const bool is_whole = key == "study.count" || (known != nullptr && known->type == "integer");
  if (is_whole && value.find_first_not_of("+-0123456789") != std::string::npos) {  // 25M, or a mistake
    const std::int64_t count = parse_count(value);
    if (count < 0) fail_at(file, line, "{} must be a number of samples (128, 10k, 25M, 3.4B), got \"{}\"", key, value);
    value = std::to_string(count);
  }
  if (key.starts_with("study.")) return add_study_setting(file, settings, key, value, line);
  if (known == nullptr) {
    fail_at(file, line, "unknown key \"{}\"; did you mean \"{}\"?", key, nearest_config_key(key));
  }
  if (holds(kKeysOfTheStudy, key)) {
    fail_at(file, line, "{} is set by the study itself{}", key, key == "data.subset" ? ": use study.count" : "");
  }
  std::vector<std::string>& values = settings[key];
  if (!values.empty() && !known->repeatable()) fail_at(file, line, "{} is given twice", key);
  values.push_back(value);
}

Settings parse_settings(const std::filesystem::path& file, const std::string& text, int line) {
  Settings settings;
  for (const std::string& word : split_words(text)) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      fail_at(file, line, "expected section.key=value, got \"{}\" (no blanks around \"=\")", word);
    }
    add_setting(file, settings, word.substr(0, equals), word.substr(equals + 1), line);
  }
  return settings;
}

}  // namespace clip_hpc
