#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/process.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kCancelHelp =
    R"(clip_study cancel: takes the jobs of a study out of Slurm, or stops submit --local

Running cells save and stop; submit goes on from there.

Examples:
  clip_study cancel --study studies/small
)";

}  // namespace

int command_cancel(const std::vector<std::string>& arguments) {
  std::string folder;
  ArgumentTable options;
  options.add("study", folder, "folder of the study");
  if (!read_options(options, arguments, kCancelHelp)) return kExitDone;
  const StudyFolder study = study_at(folder, "cancel");
  read_study(study);
  bool is_something = false;
  if (std::ifstream mark(study.path / "local.pid"); mark) {
    std::string host;
    pid_t pid = 0;
    mark >> host >> pid;
    std::error_code none;
    const std::filesystem::path program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), none);
    if (host != host_name()) {
      fmt::print("submit --local runs on {}: cancel there\n", host);
    } else if (program.filename() == "clip_study" && ::kill(pid, SIGTERM) == 0) {
      fmt::print("submit --local (process {}) has been asked to stop\n", pid);
      is_something = true;
    }
  }
  std::set<std::string> jobs;
  for (const auto& [key, task] : queue_if_there_is_one(study)) jobs.insert(task.job);
  if (!jobs.empty()) {
    const std::string command = fmt::format("scancel {}", fmt::join(jobs, " "));
    fmt::print("{}\n", command);
    std::fflush(stdout);
    if (run_shell(command) != 0) throw comm_error("scancel failed: see above");
    is_something = true;
  }
  if (!is_something) fmt::print("nothing of {} is queued or runs here\n", study.path.native());
  return kExitDone;
}

}  // namespace clip_hpc
