#include "clip_hpc/config/option_table.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/ini_file.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

std::string text_of(const std::string& value) { return value; }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(std::int64_t value) { return std::to_string(value); }
std::string text_of(double value) { return fmt::format("{}", value); }  // shortest text that reads back equal

template <class T>
std::vector<std::string> texts_of(const T& value) {
  return {text_of(value)};
}
std::vector<std::string> texts_of(const std::vector<std::string>& value) { return value; }

template <class T>
const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) return "on/off";
  if constexpr (std::is_same_v<T, std::int64_t>) return "integer";
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "text, repeatable";
  return "text";
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  if (known.empty()) return "";
  return *std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  });
}

Check<double> in_range(double low, double high) {
  return {[low, high](const std::string& name, const double& value) {
            if (!(value >= low && value <= high)) {  // written so that NaN fails
              throw input_error("{} must lie in [{}, {}], got {}", name, low, high, value);
            }
          },
          fmt::format("{} to {}", low, high)};
}

Check<double> above(double low) {
  return {[low](const std::string& name, const double& value) {
            if (!(value > low) || !std::isfinite(value))
              throw input_error("{} must be above {}, got {}", name, low, value);
          },
          fmt::format("above {}", low)};
}

Check<std::int64_t> at_least(std::int64_t low) {
  return {[low](const std::string& name, const std::int64_t& value) {
            if (value < low) throw input_error("{} must be at least {}, got {}", name, low, value);
          },
          fmt::format("from {}", low)};
}

Check<std::int64_t> in_range(std::int64_t low, std::int64_t high) {
  return {[low, high](const std::string& name, const std::int64_t& value) {
            if (value < low || value > high)
              throw input_error("{} must lie in [{}, {}], got {}", name, low, high, value);
          },
          fmt::format("{} to {}", low, high)};
}

Check<std::string> one_of(std::vector<std::string> words) {
  const std::string all = fmt::format("`{}`", fmt::join(words, "`, `"));
  return {[words = std::move(words)](const std::string& name, const std::string& value) {
            if (std::find(words.begin(), words.end(), value) == words.end()) {
              throw input_error("{} must be one of: {}; got \"{}\"", name, fmt::join(words, ", "), value);
            }
          },
          all};
}

template <class T>
void OptionTable::add(const std::string& name, T& field, const std::string& help,
                      std::type_identity_t<Check<T>> check) {
  const auto current = texts_of(field);
  Row row{name,
          help,
          fmt::format("{}", fmt::join(current, ", ")),
          type_name<T>(),
          check.allowed,
          [&field] { return texts_of(field); },
          [] {},
          std::is_same_v<T, std::vector<std::string>>};
  if (check.test) row.check = [name, &field, check = std::move(check)] { check(name, field); };
  rows_.push_back(std::move(row));
  auto* value = po::value<T>(&field);
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    value->notifier([&field](const T&) { std::erase(field, ""); });  // `key=` is the empty list
  } else {
    value->default_value(field, text_of(field));
  }
  description_.add_options()(name.c_str(), value, help.c_str());
}

template void OptionTable::add(const std::string&, std::string&, const std::string&, Check<std::string>);
template void OptionTable::add(const std::string&, bool&, const std::string&, Check<bool>);
template void OptionTable::add(const std::string&, std::int64_t&, const std::string&, Check<std::int64_t>);
template void OptionTable::add(const std::string&, double&, const std::string&, Check<double>);
template void OptionTable::add(const std::string&, std::vector<std::string>&, const std::string&,
                               Check<std::vector<std::string>>);

bool OptionTable::has_section(const std::string& section) const {
  return std::ranges::any_of(rows_, [&](const Row& row) { return row.name.starts_with(section + "."); });
}

void OptionTable::parse(const std::vector<std::filesystem::path>& files, const std::vector<std::string>& overrides,
                        OtherSections others) {
  po::variables_map map;
  try {
    const auto key_of = [](const std::string& text) { return text.substr(0, text.find('=')); };
    po::parsed_options given(&description_);
    for (auto text = overrides.begin(); text != overrides.end(); ++text) {
      if (text->find('=') == std::string::npos) {
        throw input_error("--set takes section.key=value, got \"{}\"", *text);
      }
      // Of several values the last wins: a script may add to what another script gave. Lists take them all.
      const std::string key = key_of(*text);
      const auto row = std::ranges::find(rows_, key, &Row::name);
      if (row == rows_.end()) throw input_error("{}", unknown_key(key));
      const bool comes_again =
          std::any_of(text + 1, overrides.end(), [&](const auto& later) { return key_of(later) == key; });
      const std::string value = text->substr(key.size() + 1);  // may be empty: that takes a file's value back
      if (row->repeatable || !comes_again) given.options.emplace_back(key, std::vector<std::string>{value});
    }
    // The first value stored wins: overrides, then files from the last to the first.
    po::store(given, map);
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      po::parsed_options lines(&description_);
      for (const IniLine& line : read_ini_file(*file, "the configuration", "--config")) {
        if (line.key.empty()) continue;
        if (others == OtherSections::pass_over && !has_section(line.section)) continue;
        const std::string key = full_key_of(line);
        if (std::ranges::find(rows_, key, &Row::name) == rows_.end()) {
          throw at_line(*file, line.number, unknown_key(key));
        }
        lines.options.emplace_back(key, std::vector<std::string>{line.value});
      }
      po::store(lines, map);
    }
    po::notify(map);
  } catch (const po::error& problem) {
    throw input_error("configuration: {}", problem.what());
  }
  for (const Row& row : rows_) row.check();
}

std::string OptionTable::unknown_key(const std::string& key) const {
  return fmt::format("unknown key \"{}\"; did you mean \"{}\"? All keys are in docs/config.md", key,
                     nearest_word(key, names()));
}

std::vector<std::string> OptionTable::names() const {
  std::vector<std::string> all;
  for (const Row& row : rows_) all.push_back(row.name);
  return all;
}

std::string OptionTable::dump() const {
  std::string text;
  std::string section;
  for (const Row& row : rows_) {
    const auto dot = row.name.find('.');
    const std::string here = row.name.substr(0, dot);
    if (here != section) {
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", here);
      section = here;
    }
    for (const std::string& value : row.values())
      text += fmt::format("{} = {}\n", row.name.substr(dot + 1), ini_value(value));
  }
  return text;
}

std::string OptionTable::markdown() const {
  std::string text;
  std::string section;
  for (const Row& row : rows_) {
    const auto dot = row.name.find('.');
    if (row.name.substr(0, dot) != section) {
      section = row.name.substr(0, dot);
      text +=
          fmt::format("\n## [{}]\n\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n", section);
    }
    const std::string shown = row.default_text.empty() ? "" : "`" + row.default_text + "`";
    text +=
        fmt::format("| `{}` | {} | {} | {} | {} |\n", row.name.substr(dot + 1), row.type, shown, row.allowed, row.help);
  }
  return text;
}

std::string OptionTable::help() const {
  std::string text;
  for (const Row& row : rows_) {
    text += fmt::format("  {:<26} {}{}\n", row.name, row.help,
                        row.default_text.empty() ? "" : " [" + row.default_text + "]");
  }
  return text;
}

}  // namespace clip_hpc
