#include <unistd.h>

#include <algorithm>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/study/local.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kSubmitHelp = R"(clip_study submit: runs the cells of a grid that are missing

With Slurm: one job array a stage (train, eval, probe) and size class. What is done, queued or running is left alone, so
it may be called again at any time; a failed cell is submitted again, up to [study] attempts.

Examples:
  clip_study submit --grid configs/study/medium.cfg --study studies/medium
  clip_study submit --grid configs/study/medium.cfg --study studies/medium --dry-run
  clip_study submit --grid configs/study/small.cfg --study studies/small --local 2
)";

int submit_locally(const StudyFolder& study, const LocalOptions& options) {
  const std::filesystem::path mark = study.path / "local.pid";
  write_file_atomic(mark, fmt::format("{} {}\n", host_name(), ::getpid()));
  const LocalOutcome outcome = run_locally(study, options);
  std::filesystem::remove(mark);
  fmt::print("{} cells done, {} failed, {} left\n", outcome.done, outcome.failed, outcome.left);
  if (outcome.is_stopped) return kExitStoppedCleanly;
  return outcome.failed > 0 ? 1 : kExitDone;
}

bool needs_preparing(const StudyFolder& study, const Plan& plan) {
  for (const PrepareStep& step : plan.grid.prepare) {
    if (!std::filesystem::exists(step.path)) return true;
  }
  return std::ranges::any_of(plan.cells, [&](const Cell& cell) {
    return cell.not_yet.empty() && cell.subset && !std::filesystem::exists(study.subset_file(cell.subset->name));
  });
}

int submit_to_slurm(const StudyFolder& study, const Plan& plan, bool is_dry) {
  const PlannedStudy planned = read_study(study);
  const Queue queue = is_dry ? queue_if_there_is_one(study) : read_queue(study);
  const std::vector<Submission> submissions = plan_submission(planned, queue, status_of(study, planned));
  if (submissions.empty()) {
    const std::vector<std::string> blocked = forks_without_trunk(planned, status_of(study, planned));
    if (blocked.empty()) fmt::print("nothing is missing: {} tasks are queued or running\n", queue.size());
    for (const std::string& one : blocked) fmt::print("{}\n", one);
    return kExitDone;
  }
  const auto preparing = queue.find({"prepare", 0});
  const std::string prepare = preparing != queue.end()       ? preparing->second.job
                              : needs_preparing(study, plan) ? "submit"
                                                             : "";
  submit_jobs(study.path, submit_script(study, planned, submissions, prepare), is_dry, "submit");
  return kExitDone;
}

void print_left_out(const Plan& plan) {
  std::map<std::string, int> reasons;
  for (const Cell& cell : plan.cells) {
    if (!cell.not_yet.empty()) ++reasons[cell.not_yet];
  }
  if (reasons.empty()) return;
  const auto later = std::ranges::count_if(plan.cells, [](const Cell& cell) { return !cell.not_yet.empty(); });
  fmt::print("{} of {} cells are left out, this build cannot train them:\n", later, plan.cells.size());
  for (const auto& [reason, count] : reasons) fmt::print("  {} with {}\n", count, reason);
}

}  // namespace

int command_submit(const std::vector<std::string>& arguments) {
  std::string grid_file, rate_file, folder;
  LocalOptions local{.at_once = 0, .ranks = 0, .project = {}};
  bool is_dry = false;
  ArgumentTable options;
  options.add("grid", grid_file, "grid file, for example configs/study/small.cfg");
  options.add("study", folder, "folder of the study");
  options.add("rate", rate_file, "lines of clip_hpc bench step --json FILE");
  options.add("local", local.at_once, "on this machine, so many cells at once; 0: with Slurm", at_least(0));
  options.add("ranks", local.ranks, "of a local cell; 0: processors / cells at once", at_least(0));
  options.add("dry-run", is_dry, "write the script, submit nothing");
  if (!read_options(options, arguments, kSubmitHelp)) return kExitDone;
  if (grid_file.empty()) throw input_error("clip_study submit needs --grid, for example configs/study/small.cfg");
  const StudyFolder study = study_at(folder, "submit");
  local.project = find_project();
  Plan plan = plan_of(grid_file, rate_file);
  std::filesystem::create_directories(study.path);
  const SubmitLock lock(study);
  write_study(study, plan);
  const auto is_missing = [](const PrepareStep& step) { return !std::filesystem::exists(step.path); };
  if (local.at_once > 0 && std::ranges::any_of(plan.grid.prepare, is_missing)) {
    prepare_locally(study, local);
    if (shutdown_requested()) return kExitStoppedCleanly;
    plan = plan_of(grid_file, rate_file);  // the sets say now how many samples they hold
    write_study(study, plan);
  }
  print_left_out(plan);
  if (local.at_once > 0) return submit_locally(study, local);
  if (!is_dry && !has_slurm()) throw input_error("squeue is not on PATH: load the Slurm module, or give --local N");
  return submit_to_slurm(study, plan, is_dry);
}

}  // namespace clip_hpc
