#include "postprocess/read/config_diff.hpp"

#include <algorithm>
#include <set>

namespace clip_hpc {

ConfigDiff diff_configs(std::span<const Entry> entries) {
  ConfigDiff diff;
  std::vector<const Config*> configs;
  std::set<std::string> names;
  for (const Entry& entry : entries) {
    if (entry.config.empty()) continue;
    diff.runs.push_back(entry.name);
    configs.push_back(&entry.config);
    for (const auto& [name, value] : entry.config) names.insert(name);
  }
  names.erase("run.name");
  names.erase("run.dir");
  for (const std::string& name : names) {
    ConfigDiff::Key key{name, {}, {}};
    for (const Config* config : configs) {
      const auto found = config->find(name);
      if (found == config->end()) {
        key.of_run.push_back(-1);
        continue;
      }
      const auto known = std::ranges::find(key.values, found->second);
      key.of_run.push_back(static_cast<int>(known - key.values.begin()));
      if (known == key.values.end()) key.values.push_back(found->second);
    }
    const bool differs = key.values.size() > 1 || std::ranges::find(key.of_run, -1) != key.of_run.end();
    if (differs) {
      diff.keys.push_back(std::move(key));
    } else {
      diff.common[name] = key.values.front();
    }
  }
  return diff;
}

}  // namespace clip_hpc
