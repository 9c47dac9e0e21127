#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kStatusHelp = R"(clip_study status: what of a study is done, runs, waits, failed

Examples:
  clip_study status --study studies/small
  clip_study status --study studies/small --watch 30
)";

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

// What the rows add up to.
struct StatusSum {
  std::map<std::string, std::map<std::string, int>> counts;  // stage, state
  std::string reasons;
  bool is_over = true;  // nothing is left to come
  int later = 0;
};

// A fork whose trunk was given up has nothing to begin with.
bool is_without_trunk(const PlannedStudy& planned, const PlannedCell& cell, const StatusMap& status) {
  const auto trunk = std::ranges::find(planned.cells, cell.trunk, &PlannedCell::name);
  const auto state_of = [&](int task) { return status.at({planned.stages.front(), task}).state; };
  return !cell.trunk.empty() && trunk != planned.cells.end() && state_of(trunk->task) == StageState::given_up &&
         state_of(cell.task) != StageState::running && state_of(cell.task) != StageState::done &&
         state_of(cell.task) != StageState::given_up;
}

std::string row_of(const PlannedStudy& planned, const PlannedCell& cell, const StatusMap& status, const Queue& queue,
                   StatusSum& sum) {
  if (is_without_trunk(planned, cell, status)) {
    ++sum.counts[planned.stages.front()]["without trunk"];
    sum.reasons +=
        fmt::format("{} does not begin: {}, whose checkpoint it needs, was given up\n", cell.name, cell.trunk);
    return "  without trunk";
  }
  std::string text;
  bool is_cell_over = false;
  for (const std::string& stage : planned.stages) {
    const StageStatus& one = status.at({stage, cell.task});
    const auto queued = queue.find({stage, cell.task});
    if (is_cell_over) {  // the stage before was given up
      text += fmt::format("  {:<26}", "-");
      continue;
    }
    text += fmt::format("  {:<26}", cell_text(one, queued == queue.end() ? nullptr : &queued->second));
    const bool is_waiting = queued != queue.end() && one.state != StageState::running && one.state != StageState::done;
    ++sum.counts[stage][is_waiting ? "queued" : name_of(one.state)];
    if (one.state == StageState::given_up) is_cell_over = true;
    if (one.state != StageState::done && one.state != StageState::given_up) sum.is_over = false;
    if (!one.reason.empty()) {
      sum.reasons += fmt::format("{} of {}: exit code {}, attempt {}: {}\n", stage, cell.name, one.exit_code,
                                 one.attempts, one.reason);
    }
  }
  return text;
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
  StatusSum sum;
  for (const PlannedCell& cell : planned.cells) {
    text += fmt::format("{:<{}}", cell.name, width);
    if (!cell.not_yet.empty()) {
      text += fmt::format("  not yet: {}\n", cell.not_yet);
      ++sum.later;
      continue;
    }
    text += row_of(planned, cell, status, queue, sum);
    while (text.ends_with(' ')) text.pop_back();
    text += "\n";
  }
  text += "\n";
  for (const std::string& stage : planned.stages) {
    std::vector<std::string> parts;
    for (const auto& [state, count] : sum.counts[stage]) parts.push_back(fmt::format("{} {}", count, state));
    text += fmt::format("{}: {}\n", stage, fmt::join(parts, ", "));
  }
  if (sum.later > 0) text += fmt::format("{} cells are left out: this build cannot train them\n", sum.later);
  fmt::print("{}{}", text, sum.reasons.empty() ? "" : "\n" + sum.reasons);
  std::fflush(stdout);
  return sum.is_over;
}

}  // namespace

int command_status(const std::vector<std::string>& arguments) {
  std::string folder;
  std::int64_t watch_s = 0;
  ArgumentTable options;
  options.add("study", folder, "folder of the study");
  options.add_implicit("watch", watch_s, 10, "print it again every so many seconds, until all is over", at_least(0));
  if (!read_options(options, arguments, kStatusHelp)) return kExitDone;
  const StudyFolder study = study_at(folder, "status");
  while (true) {
    if (watch_s > 0 && ::isatty(STDOUT_FILENO) != 0) fmt::print("\033[H\033[2J");
    if (print_status(study) || watch_s == 0) return kExitDone;
    std::this_thread::sleep_for(std::chrono::seconds(watch_s));
  }
}

}  // namespace clip_hpc
