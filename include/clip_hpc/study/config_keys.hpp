// The configuration keys of clip_hpc as docs/config.md lists them. That page is written from the option table and
// tested to be up to date, and its text is built into clip_study: a grid is checked by the rules of the program that
// will train it, without LibTorch.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

struct ConfigKey {
  std::string name;  // section.key
  std::string type;  // text, integer, number, on/off; "text, repeatable" may be given several times
  std::string default_text;
  std::string allowed;  // "`a`, `b`", "LOW to HIGH", "from LOW", "above LOW", or empty
  bool repeatable() const { return type.ends_with("repeatable"); }
};

// Explicit settings of one run: each key with its values (one, but for repeatable keys).
using Settings = std::map<std::string, std::vector<std::string>>;

std::vector<ConfigKey> parse_config_keys(std::string_view markdown);
const std::vector<ConfigKey>& config_keys();
const ConfigKey* find_config_key(const std::string& name);  // nullptr when there is none
std::string nearest_config_key(const std::string& name);

// What is wrong with this value of this key; empty when nothing is.
std::string complaint_about(const ConfigKey& key, const std::string& value);

// The value that holds: the last given, or the default.
std::string value_of(const Settings& settings, const std::string& key);
std::string to_ini(const Settings& settings);

}  // namespace clip_hpc
