#include "clip_hpc/study/study_command.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/study/collect.hpp"
#include "clip_hpc/study/local.hpp"
#include "clip_hpc/study/slurm.hpp"
#include "study/scaling_command.hpp"
#include "study/study_command_parts.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kHelp = R"(clip_study: a grid of training runs, planned, run and watched

  clip_study plan      the cells of a grid, their cost and storage
  clip_study submit    runs what is missing: job arrays of Slurm, or --local
  clip_study status    what is done, runs, waits, failed
  clip_study cancel    takes the jobs of a study out of Slurm, or stops --local
  clip_study collect   all results as one table
  clip_study scaling   the training step on 1, 2, 4, 8 … nodes, for clip_report --scaling
  clip_study --version

Each has --help. Start it in the project folder: the paths of a grid are relative to it.

Examples:
  clip_study plan --grid configs/study/small.cfg
  clip_study submit --grid configs/study/small.cfg --study studies/small --local 2
  clip_study status --study studies/small

Exit codes: 0 done, 1 a cell or size failed (--local), 2 bad input, 3 storage, 4 Slurm, 75 stopped: submit again.
)";

constexpr const char* kPlanHelp = R"(clip_study plan: the cells of a grid, their cost and storage

Nothing is written, unless --study names a folder: it gets the configuration of every cell, and the scripts.

Cost is counted as forward multiply-adds of both towers times samples seen; with backward it is 6 FLOP a multiply-add.
GPU hours are that, divided by the rate that clip_hpc bench step measured.

Examples:
  clip_study plan --grid configs/study/paper.cfg
  clip_study plan --grid configs/study/small.cfg --rate bench/results/step_cpu.jsonl
)";

constexpr const char* kSubmitHelp = R"(clip_study submit: runs the cells of a grid that are missing

With Slurm: one job array a stage (train, eval, probe) and size class. What is done, queued or running is left alone, so
it may be called again at any time; a failed cell is submitted again, up to [study] attempts.

Examples:
  clip_study submit --grid configs/study/medium.cfg --study studies/medium
  clip_study submit --grid configs/study/medium.cfg --study studies/medium --dry-run
  clip_study submit --grid configs/study/small.cfg --study studies/small --local 2
)";

constexpr const char* kStatusHelp = R"(clip_study status: what of a study is done, runs, waits, failed

Examples:
  clip_study status --study studies/small
  clip_study status --study studies/small --watch 30
)";

constexpr const char* kCancelHelp =
    R"(clip_study cancel: takes the jobs of a study out of Slurm, or stops submit --local

Running cells save and stop; submit goes on from there.

Examples:
  clip_study cancel --study studies/small
)";

constexpr const char* kCollectHelp = R"(clip_study collect: all results of a study as one table

Writes table.csv (one line a point of the grid, result and metric) and table.json (one entry a cell) into the study's folder.

Examples:
  clip_study collect --study studies/small
)";

RateTable rates_for(const Grid& grid, const std::string& file) {
  if (!file.empty()) return read_rates(file);
  return grid.rate_file.empty() ? RateTable{} : read_rates(grid.rate_file);
}

// Asks the clip_hpc beside this program, else the one on PATH. One that does not start here (a login node) is taken to
// be able to do everything: the job that prepares subsets would say otherwise.
Abilities abilities_of_clip_hpc() {
  std::error_code none;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  const std::string program = std::filesystem::exists(here / "clip_hpc") ? (here / "clip_hpc").native() : "clip_hpc";
  const std::string ask = fmt::format("'{}' filter --help 2>/dev/null", program);
  if (std::system((ask + " >/dev/null").c_str()) != 0) return {};
  return {.filters_by_score = std::system((ask + " | grep -q -e --keep").c_str()) == 0};
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

int command_plan(const std::vector<std::string>& arguments) {
  std::string grid_file, rate_file, folder;
  po::options_description options("Options");
  options.add_options()("grid", po::value(&grid_file), "grid file, for example configs/study/small.cfg")(
      "rate", po::value(&rate_file), "lines of clip_hpc bench step --json FILE")("study", po::value(&folder),
                                                                                 "folder to write the cells into");
  if (!read_words(arguments, options, kPlanHelp)) return kExitDone;
  if (grid_file.empty()) throw input_error("clip_study plan needs --grid, for example configs/study/small.cfg");
  const Plan plan = plan_of(grid_file, rate_file);
  fmt::print("{}", plan_table(plan));
  if (!folder.empty()) write_study({without_slash(folder)}, plan);
  return kExitDone;
}

StudyFolder study_at(const std::string& folder, const char* command) {
  if (folder.empty()) throw input_error("clip_study {} needs --study, for example studies/small", command);
  check_for_shell(folder);
  return {without_slash(folder)};
}

using StatusMap = std::map<std::pair<std::string, int>, StageStatus>;

StatusMap status_of(const StudyFolder& study, const PlannedStudy& planned) {
  const std::int64_t now = file_system_time(study);
  StatusMap all;
  for (const std::string& stage : planned.stages) {
    for (const PlannedCell& cell : planned.cells) {
      if (cell.not_yet.empty()) all[{stage, cell.task}] = read_stage(study, cell, stage, now);
    }
  }
  return all;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

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

// A machine may have Slurm's programs and no cluster behind them.
Queue queue_if_there_is_one(const StudyFolder& study) {
  if (!has_slurm()) return {};
  try {
    return read_queue(study);
  } catch (const Error& problem) {
    log_warn("{}; what is queued is not known", problem.what());
    return {};
  }
}

int submit_to_slurm(const StudyFolder& study, const Plan& plan, bool is_dry) {
  const PlannedStudy planned = read_study(study);
  const Queue queue = is_dry ? queue_if_there_is_one(study) : read_queue(study);
  const std::vector<Submission> submissions = plan_submission(planned, queue, status_of(study, planned));
  if (submissions.empty()) {
    fmt::print("nothing is missing: {} tasks are queued or running\n", queue.size());
    return kExitDone;
  }
  const auto preparing = queue.find({"prepare", 0});
  const std::string prepare = preparing != queue.end()       ? preparing->second.job
                              : needs_preparing(study, plan) ? "submit"
                                                             : "";
  std::string time = utc_now();
  std::erase(time, ':');
  const std::filesystem::path script = study.path / "jobs" / fmt::format("submit_{}.sh", time);
  write_file_atomic(script, submit_script(study, planned, submissions, prepare));
  if (is_dry) {
    fmt::print("{} is written and not run:\n\n{}", script.native(), read_text_file(script));
    return kExitDone;
  }
  const std::string command = fmt::format("CLIP_HPC_ROOT='{}' bash '{}'", find_project().native(), script.native());
  std::fflush(stdout);
  if (std::system(command.c_str()) != 0) {
    throw comm_error(
        "sbatch refused: see above; the script is {}. What it had submitted before is known to Slurm, so "
        "clip_study submit goes on from there",
        script.native());
  }
  return kExitDone;
}

int command_submit(const std::vector<std::string>& arguments) {
  std::string grid_file, rate_file, folder;
  LocalOptions local{.at_once = 0, .ranks = 0, .project = {}};
  bool is_dry = false;
  po::options_description options("Options");
  options.add_options()("grid", po::value(&grid_file), "grid file, for example configs/study/small.cfg")(
      "study", po::value(&folder), "folder of the study")("rate", po::value(&rate_file),
                                                          "lines of clip_hpc bench step --json FILE")(
      "local", po::value(&local.at_once), "on this machine, so many cells at once")(
      "ranks", po::value(&local.ranks)->default_value(0), "of a local cell; 0: processors / cells at once")(
      "dry-run", po::bool_switch(&is_dry), "write the script, submit nothing");
  if (!read_words(arguments, options, kSubmitHelp)) return kExitDone;
  if (grid_file.empty()) throw input_error("clip_study submit needs --grid, for example configs/study/small.cfg");
  const StudyFolder study = study_at(folder, "submit");
  if (local.at_once < 0 || local.ranks < 0) throw input_error("--local and --ranks must be positive");
  local.project = find_project();
  Plan plan = plan_of(grid_file, rate_file);
  std::filesystem::create_directories(study.path);
  const SubmitLock lock(study);
  write_study(study, plan);
  const auto is_missing = [](const PrepareStep& step) { return !std::filesystem::exists(step.path); };
  if (local.at_once > 0 && std::ranges::any_of(plan.grid.prepare, is_missing)) {
    prepare_locally(study, local);
    plan = plan_of(grid_file, rate_file);  // the sets say now how many samples they hold
    write_study(study, plan);
  }
  const auto later = std::ranges::count_if(plan.cells, [](const Cell& cell) { return !cell.not_yet.empty(); });
  if (later > 0) {
    fmt::print("{} of {} cells are left out, this build cannot train them:\n", later, plan.cells.size());
    std::map<std::string, int> reasons;
    for (const Cell& cell : plan.cells) {
      if (!cell.not_yet.empty()) ++reasons[cell.not_yet];
    }
    for (const auto& [reason, count] : reasons) fmt::print("  {} with {}\n", count, reason);
  }
  if (local.at_once > 0) return submit_locally(study, local);
  if (!is_dry && !has_slurm()) throw input_error("squeue is not on PATH: load the Slurm module, or give --local N");
  return submit_to_slurm(study, plan, is_dry);
}

std::string duration_text(double seconds) {
  const auto all = static_cast<std::int64_t>(seconds);
  return all >= 3600 ? fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60)
                     : fmt::format("{}:{:02}", all / 60, all % 60);
}

// One word, and what belongs to it.
std::string cell_text(const StageStatus& status, const QueuedTask* queued) {
  if (status.state == StageState::running) {
    return fmt::format("running {:.0f} %{}", 100 * status.progress,
                       status.eta_s < 0 ? "" : ", " + duration_text(status.eta_s) + " left");
  }
  if (status.state == StageState::done || status.state == StageState::given_up) return name_of(status.state);
  if (queued != nullptr) {
    return fmt::format("queued ({}{})", queued->state,
                       status.progress > 0 ? fmt::format(", {:.0f} %", 100 * status.progress) : "");
  }
  if (status.progress > 0) return fmt::format("{} {:.0f} %", name_of(status.state), 100 * status.progress);
  return name_of(status.state);
}

// Prints the table. True: nothing is left to come.
bool print_status(const StudyFolder& study) {
  const PlannedStudy planned = read_study(study);
  const Queue queue = queue_if_there_is_one(study);
  const StatusMap status = status_of(study, planned);
  std::size_t width = 4;
  for (const PlannedCell& cell : planned.cells) width = std::max(width, cell.name.size());
  std::string text = fmt::format("{:<{}}", "cell", width);
  for (const std::string& stage : planned.stages) text += fmt::format("  {:<26}", stage);
  text += "\n";
  std::map<std::string, std::map<std::string, int>> counts;
  std::string reasons;
  bool is_over = true;
  int later = 0;
  for (const PlannedCell& cell : planned.cells) {
    text += fmt::format("{:<{}}", cell.name, width);
    if (!cell.not_yet.empty()) {
      text += fmt::format("  not yet: {}\n", cell.not_yet);
      ++later;
      continue;
    }
    bool is_cell_over = false;
    for (const std::string& stage : planned.stages) {
      const StageStatus& one = status.at({stage, cell.task});
      const auto queued = queue.find({stage, cell.task});
      if (is_cell_over) {  // the stage before was given up
        text += fmt::format("  {:<26}", "-");
        continue;
      }
      text += fmt::format("  {:<26}", cell_text(one, queued == queue.end() ? nullptr : &queued->second));
      const bool is_waiting =
          queued != queue.end() && one.state != StageState::running && one.state != StageState::done;
      ++counts[stage][is_waiting ? "queued" : name_of(one.state)];
      if (one.state == StageState::given_up) is_cell_over = true;
      if (one.state != StageState::done && one.state != StageState::given_up) is_over = false;
      if (!one.reason.empty()) {
        reasons += fmt::format("{} of {}: exit code {}, attempt {}: {}\n", stage, cell.name, one.exit_code,
                               one.attempts, one.reason);
      }
    }
    while (text.ends_with(' ')) text.pop_back();
    text += "\n";
  }
  text += "\n";
  for (const std::string& stage : planned.stages) {
    std::vector<std::string> parts;
    for (const auto& [state, count] : counts[stage]) parts.push_back(fmt::format("{} {}", count, state));
    text += fmt::format("{}: {}\n", stage, fmt::join(parts, ", "));
  }
  if (later > 0) text += fmt::format("{} cells are left out: this build cannot train them\n", later);
  fmt::print("{}{}", text, reasons.empty() ? "" : "\n" + reasons);
  std::fflush(stdout);
  return is_over;
}

int command_status(const std::vector<std::string>& arguments) {
  std::string folder;
  std::int64_t watch_s = 0;
  po::options_description options("Options");
  options.add_options()("study", po::value(&folder), "folder of the study")(
      "watch", po::value(&watch_s)->implicit_value(10), "print it again every so many seconds, until all is over");
  if (!read_words(arguments, options, kStatusHelp)) return kExitDone;
  const StudyFolder study = study_at(folder, "status");
  if (watch_s < 0) throw input_error("--watch takes seconds, got {}", watch_s);
  while (true) {
    if (watch_s > 0 && ::isatty(STDOUT_FILENO) != 0) fmt::print("\033[H\033[2J");
    if (print_status(study) || watch_s == 0) return kExitDone;
    std::this_thread::sleep_for(std::chrono::seconds(watch_s));
  }
}

int command_cancel(const std::vector<std::string>& arguments) {
  std::string folder;
  po::options_description options("Options");
  options.add_options()("study", po::value(&folder), "folder of the study");
  if (!read_words(arguments, options, kCancelHelp)) return kExitDone;
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
      fmt::print("submit --local (process {}) is told to stop\n", pid);
      is_something = true;
    }
  }
  std::set<std::string> jobs;
  for (const auto& [key, task] : queue_if_there_is_one(study)) jobs.insert(task.job);
  if (!jobs.empty()) {
    const std::string command = fmt::format("scancel {}", fmt::join(jobs, " "));
    fmt::print("{}\n", command);
    std::fflush(stdout);
    if (std::system(command.c_str()) != 0) throw comm_error("scancel failed: see above");
    is_something = true;
  }
  if (!is_something) fmt::print("nothing of {} is queued or runs here\n", study.path.native());
  return kExitDone;
}

int command_collect(const std::vector<std::string>& arguments) {
  std::string folder, output;
  po::options_description options("Options");
  options.add_options()("study", po::value(&folder), "folder of the study")(
      "output", po::value(&output), "folder for table.csv and table.json; default: the study's");
  if (!read_words(arguments, options, kCollectHelp)) return kExitDone;
  const StudyFolder study = study_at(folder, "collect");
  const StudyTable table = collect_study(study);
  const std::filesystem::path place = output.empty() ? study.path : std::filesystem::path(output);
  std::filesystem::create_directories(place);
  write_file_atomic(place / "table.csv", table.csv);
  write_json_file(place / "table.json", table.json);
  fmt::print("{}: {} lines of {} cells\n", (place / "table.csv").native(), std::ranges::count(table.csv, '\n') - 1,
             table.json.at("cells").size());
  for (const std::string& problem : table.broken) log_warn("{}", problem);
  return table.broken.empty() ? kExitDone : kExitStorage;
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    std::fputs(kHelp, stdout);
    return kExitDone;
  }
  if (word == "--version") {
    fmt::print("clip_study {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (word == "plan") return command_plan(rest);
  if (word == "submit") return command_submit(rest);
  if (word == "status") return command_status(rest);
  if (word == "cancel") return command_cancel(rest);
  if (word == "collect") return command_collect(rest);
  if (word == "scaling") return command_scaling(rest);
  throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_study --help lists them", word,
                    nearest_word(word, {"plan", "submit", "status", "cancel", "collect", "scaling"}));
}

}  // namespace

int study_command(const std::vector<std::string>& arguments) {
  try {
    start_log({});
    return dispatch(arguments);
  } catch (const Error& problem) {
    fmt::print(stderr, "clip_study: {}: {}\n", name_of(problem.kind()), problem.what());
    return exit_code(problem.kind());
  } catch (const std::exception& problem) {
    fmt::print(stderr, "clip_study: {}\n", problem.what());
    return 1;
  }
}

}  // namespace clip_hpc
