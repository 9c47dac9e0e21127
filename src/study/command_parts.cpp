#include "study/command_parts.hpp"

#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/process.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/study/cost.hpp"

namespace clip_hpc {
namespace {

RateTable rates_for(const Grid& grid, const std::string& file) {
  if (!file.empty()) return read_rates(file);
  return grid.rate_file.empty() ? RateTable{} : read_rates(grid.rate_file);
}

// One that does not start here (a login node) is taken to be able to do everything: the job that prepares subsets would
// say otherwise.
Abilities abilities_of_clip_hpc() {
  const ProgramOutput help = run_program({clip_hpc_program(), "filter", "--help"});
  if (!help.has_started || help.exit_code != 0) return {};
  return {.filters_by_score = help.out.find("--keep") != std::string::npos};
}

}  // namespace

bool read_options(ArgumentTable& options, const std::vector<std::string>& arguments, const char* help) {
  if (options.parse(arguments)) return true;
  fmt::print("{}", options.help(help));
  return false;
}

Plan plan_of(const std::string& grid_file, const std::string& rate_file) {
  const Grid grid = read_grid(grid_file);
  const auto asks_for_scores = [](const Axis& axis) {
    return std::ranges::any_of(axis.values,
                               [](const auto& value) { return value.settings.contains("study.fraction"); });
  };
  return make_plan(grid, rates_for(grid, rate_file),
                   std::ranges::any_of(grid.axes, asks_for_scores) ? abilities_of_clip_hpc() : Abilities{});
}

StudyFolder study_at(const std::string& folder, const char* command) {
  if (folder.empty()) throw input_error("clip_study {} needs --study, for example studies/small", command);
  check_for_shell(folder);
  return {without_slash(folder)};
}

StatusMap status_of(const StudyFolder& study, const PlannedStudy& planned) {
  StatusMap all;
  for (const std::string& stage : planned.stages) {
    for (const PlannedCell& cell : planned.cells) {
      if (cell.not_yet.empty()) all[{stage, cell.task}] = read_stage(study, cell, stage);
    }
  }
  return all;
}

Queue queue_if_there_is_one(const StudyFolder& study) {
  if (!has_slurm()) return {};
  try {
    return read_queue(study);
  } catch (const Error& problem) {
    log_warn("{}; what is queued is not known", problem.what());
    return {};
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::filesystem::path find_project() {
  std::vector<std::filesystem::path> places;
  if (const char* named = std::getenv("CLIP_HPC_ROOT")) places.emplace_back(named);
  places.push_back(std::filesystem::current_path());
  places.push_back(program_folder() / "../share/clip_hpc");
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::exists(place / "jobs/study_cell.sh")) return std::filesystem::weakly_canonical(place);
  }
  throw input_error("jobs/study_cell.sh was not found: start in the project folder, or set CLIP_HPC_ROOT to it");
}

void check_for_shell(const std::string& folder) {
  if (folder.find_first_of("',\"\n\\$`") != std::string::npos) {
    throw input_error("a folder of jobs goes through sbatch and a shell: its name has no quote, comma, $ or \\, got {}",
                      folder);
  }
}

void submit_jobs(const std::filesystem::path& folder, const std::string& text, bool is_dry, const char* command) {
  std::string time = utc_now();
  std::erase(time, ':');
  const std::filesystem::path script = folder / "jobs" / fmt::format("submit_{}.sh", time);
  std::filesystem::create_directories(script.parent_path());
  write_file_atomic(script, text);
  if (is_dry) {
    fmt::print("{} is written and not run:\n\n{}", script.native(), text);
    return;
  }
  std::fflush(stdout);
  const std::string line = fmt::format("CLIP_HPC_ROOT='{}' bash '{}'", find_project().native(), script.native());
  if (run_shell(line) != 0) {
    throw comm_error(
        "sbatch refused: see above; the script is {}. What it had submitted before is known to Slurm, so "
        "clip_study {} goes on from there",
        script.native(), command);
  }
}

SubmitLock::SubmitLock(const StudyFolder& study) {
  const std::filesystem::path file = study.path / ".submit";
  append_line(file, "");
  fd_ = FileDescriptor::open_write(file);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw input_error("another clip_study submit of {} is at work: wait for it", study.path.native());
  }
}

}  // namespace clip_hpc
