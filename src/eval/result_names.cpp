#include "clip_hpc/eval/result_names.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <vector>

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr std::ptrdiff_t kNameParts = 2;

// The last `parts` parts of a path.
std::string end_of(const fs::path& path, std::ptrdiff_t parts) {
  fs::path end;
  const std::ptrdiff_t all = std::distance(path.begin(), path.end());
  for (auto part = std::next(path.begin(), std::max<std::ptrdiff_t>(0, all - parts)); part != path.end(); ++part) {
    end /= *part;
  }
  return end.native();
}

// The shortest ends by which these differ.
std::vector<std::string> ends_apart(const std::vector<fs::path>& paths) {
  std::vector<std::string> ends;
  const auto longest =
      std::ranges::max(paths, {}, [](const fs::path& path) { return std::distance(path.begin(), path.end()); });
  for (std::ptrdiff_t parts = kNameParts + 1; parts <= std::distance(longest.begin(), longest.end()); ++parts) {
    ends.clear();
    for (const fs::path& path : paths) ends.push_back(end_of(path, parts));
    if (std::set<std::string>(ends.begin(), ends.end()).size() == ends.size()) break;
  }
  return ends;
}

}  // namespace

SetNames names_apart(std::span<const std::string> folders, const SetNames& given) {
  std::map<std::string, std::map<fs::path, std::vector<std::string>>> by_name;  // name -> whole path -> as it is given
  for (const std::string& folder : folders) {
    if (given.contains(folder)) continue;
    const fs::path whole = fs::absolute(folder).lexically_normal();
    by_name[end_of(whole, kNameParts)][whole].push_back(folder);
  }
  SetNames names = given;
  for (const auto& [name, alike] : by_name) {
    if (alike.size() < 2) continue;
    std::vector<fs::path> paths;
    for (const auto& [whole, spellings] : alike) paths.push_back(whole);
    const std::vector<std::string> ends = ends_apart(paths);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      for (const std::string& folder : alike.at(paths[i])) names[folder] = ends[i];
    }
  }
  return names;
}

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
