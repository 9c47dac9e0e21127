#include "clip_hpc/eval/result_names.hpp"

namespace clip_hpc {

std::string set_name(const PackedSet& set, const SetNames& names) {
  if (const auto named = names.find(set.folder().native()); named != names.end()) return named->second;
  return set.folder().parent_path().filename().string() + "/" + set.folder().filename().string();
}

std::string result_label(const std::string& label_name) {
  return label_name == "label" ? "" : label_name.substr(label_name.find('_') + 1);
}

std::string shown_name(const Result& result) {
  return result.label.empty() ? result.dataset : result.dataset + " by " + result.label;
}

}  // namespace clip_hpc
