#include "clip_hpc/study/plan_table.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kPlanHelp = R"(clip_study plan: the cells of a grid, their cost and storage

Nothing is written, unless --study names a folder: it gets the configuration of every cell, and the scripts.

Cost is counted as forward multiply-adds of both towers times samples seen; with backward it is 6 FLOP a multiply-add.
GPU hours are that, divided by the rate that clip_hpc bench step measured.

Examples:
  clip_study plan --grid configs/study/paper.cfg
  clip_study plan --grid configs/study/small.cfg --rate bench/results/step_cpu.jsonl
)";

}  // namespace

int command_plan(const std::vector<std::string>& arguments) {
  std::string grid_file, rate_file, folder;
  ArgumentTable options;
  options.add("grid", grid_file, "grid file, for example configs/study/small.cfg");
  options.add("rate", rate_file, "lines of clip_hpc bench step --json FILE");
  options.add("study", folder, "folder to write the cells into");
  if (!read_options(options, arguments, kPlanHelp)) return kExitDone;
  if (grid_file.empty()) throw input_error("clip_study plan needs --grid, for example configs/study/small.cfg");
  const Plan plan = plan_of(grid_file, rate_file);
  fmt::print("{}", plan_table(plan));
  if (!folder.empty()) write_study({without_slash(folder)}, plan);
  return kExitDone;
}

}  // namespace clip_hpc
