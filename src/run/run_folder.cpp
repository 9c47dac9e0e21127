#include "clip_hpc/run/run_folder.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "clip_hpc/base/error.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::string_view kStepPrefix = "step_";
constexpr int kSearchDepth = 3;  // runs/<grid>/<cell>, and one to spare

void find_below(const fs::path& folder, int depth, std::vector<RunFolder>& found) {
  const RunFolder here{folder};
  // A cell of a study has its configuration beside the folder of its run.
  if (here.exists() && !RunFolder{folder / "run"}.exists()) {
    found.push_back(here);
    return;
  }
  if (depth == 0) return;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, fs::directory_options::skip_permission_denied, problem), end;
       !problem && entry != end; entry.increment(problem)) {
    std::error_code ignored;
    if (entry->path().filename().native().find(kAsideMark) != std::string::npos) continue;
    if (entry->is_directory(ignored)) find_below(entry->path(), depth - 1, found);
  }
  if (problem) throw storage_error("cannot list {}: {}", folder.native(), problem.message());
}

}  // namespace

fs::path RunFolder::checkpoint_path(std::int64_t step) const {
  return checkpoints_dir() / fmt::format("{}{:09d}", kStepPrefix, step);
}

void RunFolder::create() const {
  std::error_code problem;
  fs::create_directories(checkpoints_dir(), problem);
  if (problem) throw storage_error("cannot create the run folder {}: {}", path.native(), problem.message());
}

bool RunFolder::exists() const {
  std::error_code ignored;
  return fs::exists(config_file(), ignored) || fs::exists(provenance_file(), ignored) ||
         fs::exists(metrics_file(), ignored) || fs::exists(results_file(), ignored) ||
         fs::exists(path / kFollowResults, ignored);
}

std::vector<std::int64_t> RunFolder::checkpoint_steps() const {
  std::vector<std::int64_t> steps;
  std::error_code problem;
  if (!fs::is_directory(checkpoints_dir(), problem)) return steps;
  for (fs::directory_iterator entry(checkpoints_dir(), problem), end; !problem && entry != end;
       entry.increment(problem)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (!name.starts_with(kStepPrefix) || !entry->is_directory(ignored)) continue;
    std::int64_t step = 0;
    const char* last = name.data() + name.size();
    const auto [stop, code] = std::from_chars(name.data() + kStepPrefix.size(), last, step);
    // A folder still being written ("step_000000123.tmp") does not count.
    if (code == std::errc{} && stop == last && step >= 0) steps.push_back(step);
  }
  if (problem) throw storage_error("cannot list {}: {}", checkpoints_dir().native(), problem.message());
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::vector<RunFolder> find_run_folders(const fs::path& root) {
  std::error_code problem;
  if (!fs::is_directory(root, problem)) throw input_error("{} is not a folder: give a run folder", root.native());
  std::vector<RunFolder> found;
  find_below(root, kSearchDepth, found);
  std::sort(found.begin(), found.end(), [](const RunFolder& a, const RunFolder& b) { return a.path < b.path; });
  return found;
}

}  // namespace clip_hpc
