#include "clip_hpc/study/config_keys.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

extern const char* const kConfigPage;  // docs/config.md; written by cmake/EmbedText.cmake

namespace {

std::string without_quotes(std::string text) {
  if (text.size() >= 2 && text.front() == '`' && text.back() == '`') text = text.substr(1, text.size() - 2);
  return text;
}

std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::vector<std::string> choices_in(const std::string& allowed) {
  std::vector<std::string> words;
  for (std::size_t at = allowed.find('`'); at != std::string::npos; at = allowed.find('`', at + 1)) {
    const auto end = allowed.find('`', at + 1);
    words.push_back(allowed.substr(at + 1, end - at - 1));
    at = end;
  }
  return words;
}

bool is_inside(double value, const std::string& allowed) {
  if (allowed.starts_with("from ")) return value >= number_in(allowed.substr(5)).value_or(value);
  const auto to = allowed.find(" to ");
  const auto at_most = [&] {
    return to == std::string::npos || value <= number_in(allowed.substr(to + 4)).value_or(value);
  };
  if (allowed.starts_with("above ")) {
    return value > number_in(allowed.substr(0, to).substr(6)).value_or(value - 1) && at_most();
  }
  if (to == std::string::npos) return true;
  return value >= number_in(allowed.substr(0, to)).value_or(value) &&
         value <= number_in(allowed.substr(to + 4)).value_or(value);
}

}  // namespace

std::vector<ConfigKey> parse_config_keys(std::string_view markdown) {
  std::vector<ConfigKey> keys;
  std::string section;
  while (!markdown.empty()) {
    const std::string_view line = markdown.substr(0, markdown.find('\n'));
    markdown.remove_prefix(std::min(markdown.size(), line.size() + 1));
    if (line.starts_with("## [")) section = std::string(line.substr(4, line.find(']') - 4));
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::size_t from = 1;
    while (cells.size() < 4) {
      const std::size_t to = std::min(line.find('|', from), line.size());
      cells.emplace_back(trim(line.substr(from, to - from)));
      from = std::min(to + 1, line.size());
    }
    keys.push_back({section + "." + without_quotes(cells[0]), cells[1], without_quotes(cells[2]), cells[3]});
  }
  return keys;
}

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = parse_config_keys(kConfigPage);
  return keys;
}

const ConfigKey* find_config_key(const std::string& name) {
  const auto found = std::ranges::find(config_keys(), name, &ConfigKey::name);
  return found == config_keys().end() ? nullptr : &*found;
}

std::string nearest_config_key(const std::string& name) {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) names.push_back(key.name);
  return nearest_word(name, names);
}

std::string complaint_about(const ConfigKey& key, const std::string& value) {
  if (key.type == "on/off") {
    static const std::vector<std::string> words{"true", "false", "on", "off", "yes", "no", "1", "0"};
    if (std::ranges::find(words, value) != words.end()) return "";
    return fmt::format("{} must be on or off, got \"{}\"", key.name, value);
  }
  if (key.type == "integer" || key.type == "number") {
    const auto number = number_in(value);
    if (!number || (key.type == "integer" && value.find_first_not_of("+-0123456789") != std::string::npos)) {
      return fmt::format("{} must be {} {}, got \"{}\"", key.name, key.type == "integer" ? "an" : "a", key.type, value);
    }
    if (is_inside(*number, key.allowed)) return "";
    return fmt::format("{} must be {}, got {}", key.name, key.allowed, value);
  }
  const std::vector<std::string> choices = choices_in(key.allowed);
  if (choices.empty() || std::ranges::find(choices, value) != choices.end()) return "";
  return fmt::format("{} must be one of: {}; got \"{}\"", key.name, fmt::join(choices, ", "), value);
}

std::string value_of(const Settings& settings, const std::string& key) {
  if (const auto found = settings.find(key); found != settings.end() && !found->second.empty()) {
    return found->second.back();
  }
  const ConfigKey* known = find_config_key(key);
  return known == nullptr ? "" : known->default_text;
}

std::string to_ini(const Settings& settings) {
  std::string text, section;
  for (const auto& [name, values] : settings) {  // a map: the keys of a section stand together
    const auto dot = name.find('.');
    if (name.substr(0, dot) != section) {
      section = name.substr(0, dot);
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    }
    for (const std::string& value : values) text += fmt::format("{} = {}\n", name.substr(dot + 1), ini_value(value));
  }
  return text;
}

}  // namespace clip_hpc
