#include "clip_hpc/train/claimed_folder.hpp"

#include <algorithm>
#include <system_error>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/train/roll_call.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

std::unique_ptr<Lease> take_lease(const RunFolder& folder) {
  auto lease = std::make_unique<Lease>(folder.lease_file(), LeaseOptions{.on_loss = [](const std::string& text) {
                                         leave_hung_run(text, ErrorKind::storage);
                                       }});
  if (!lease->taken_from().empty()) log_info("{}: taken over from {}", folder.path.native(), lease->taken_from());
  return lease;
}

// The name that write_file_atomic gives its unfinished file, or one of the folder's own.
bool is_unfinished(const fs::path& path) {
  const std::string name = path.filename().native();
  if (name.ends_with(".part")) return true;
  const auto at = name.rfind(".tmp.");
  return at != std::string::npos && name.find_first_not_of("0123456789", at + 5) == std::string::npos;
}

void remove_unfinished(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end; entry.increment(problem)) {
    if (is_unfinished(entry->path())) found.push_back(entry->path());
  }
  for (const fs::path& path : found) {
    fs::remove(path, problem);
    if (!problem) log_info("removed {}: a program that was killed left it unfinished", path.native());
  }
}

void set_aside(const RunFolder& folder) {
  std::string time = utc_now();
  std::erase(time, ':');
  const fs::path aside = without_slash(folder.path).native() + kAsideMark + time;
  rename_synced(folder.path, aside);
  std::error_code none;
  fs::remove(RunFolder{aside}.lease_file(), none);
  log_info("{} is kept as {}", folder.path.native(), aside.native());
}

}  // namespace

ClaimedFolder::ClaimedFolder(World& world, const RunFolder& folder, bool begins_anew) {
  together(world, [&] {
    if (world.rank() != 0) return;
    folder.create();
    lease_ = take_lease(folder);
    if (begins_anew && (folder.exists() || !folder.checkpoint_steps().empty())) {
      set_aside(folder);
      lease_.reset();  // its file went with the folder
      folder.create();
      lease_ = take_lease(folder);
    }
    for (const char* of_ours : {".", "features", "pictures", "per_class", "clip_benchmark"}) {
      remove_unfinished(folder.path / of_ours);
    }
    clear_roll_call(folder);
  });
}

}  // namespace clip_hpc
