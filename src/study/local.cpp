#include "clip_hpc/study/local.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "clip_hpc/base/log.hpp"

extern char** environ;  // NOLINT: POSIX wants it declared so

namespace clip_hpc {
namespace {

volatile std::sig_atomic_t g_stop = 0;

class SignalGuard {
 public:
  SignalGuard() {
    g_stop = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { g_stop = 1; };  // no SA_RESTART: waitpid shall return
    for (std::size_t i = 0; i < 2; ++i) ::sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalGuard() {
    for (std::size_t i = 0; i < 2; ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  static constexpr int kSignals[2] = {SIGINT, SIGTERM};
  struct sigaction before_[2]{};
};

pid_t start(const std::vector<std::string>& words, const std::vector<std::string>& extra_environment) {
  std::vector<char*> arguments, environment;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  arguments.push_back(nullptr);
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  for (const std::string& one : extra_environment) environment.push_back(const_cast<char*>(one.c_str()));  // NOLINT
  environment.push_back(nullptr);
  // A group of its own: Ctrl-C comes here, and from here to the cells in order.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int problem = ::posix_spawnp(&child, arguments[0], nullptr, &attributes, arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  if (problem != 0) throw storage_error("cannot start {}: error {}", words.front(), problem);
  return child;
}

int exit_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

struct Task {
  const PlannedCell* cell;
  std::size_t stage = 0;
  std::int64_t tries = 0;
  std::chrono::steady_clock::time_point started{};
};

}  // namespace

void prepare_locally(const StudyFolder& study, const LocalOptions& options) {
  const pid_t child =
      start({"bash", study.prepare_script().native()}, {fmt::format("CLIP_HPC_ROOT={}", options.project.native())});
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) ::kill(-child, SIGTERM);
  if (g_stop == 0 && exit_status(status) != 0) {
    throw storage_error("{} ended with exit code {}: its last lines say why", study.prepare_script().native(),
                        exit_status(status));
  }
}

LocalOutcome run_locally(const StudyFolder& study, const LocalOptions& options) {
  const PlannedStudy planned = read_study(study);
  const auto attempts = planned.json.value("attempts", std::int64_t{3});
  const SignalGuard guard;
  LocalOutcome outcome;
  const auto processors = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t ranks =
      options.ranks > 0 ? options.ranks : std::max<std::int64_t>(1, processors / options.at_once);
  std::vector<std::string> environment{fmt::format("RANKS={}", ranks),
                                       fmt::format("CLIP_HPC_ROOT={}", options.project.native())};
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {  // cells share the processors, as ranks of one cell do
    environment.push_back(
        fmt::format("OMP_NUM_THREADS={}", std::max<std::int64_t>(1, processors / (ranks * options.at_once))));
  }

  prepare_locally(study, options);
  if (g_stop != 0) {
    outcome.is_stopped = true;
    return outcome;
  }

  const auto stage_of = [&](const Task& task) { return planned.stages[task.stage]; };
  const auto status_of = [&](const Task& task) {
    return read_stage(study, *task.cell, stage_of(task), file_system_time(study));
  };
  std::vector<Task> waiting;  // taken from the back
  for (auto cell = planned.cells.rbegin(); cell != planned.cells.rend(); ++cell) {
    if (cell->not_yet.empty()) waiting.push_back({.cell = &*cell});
  }
  const std::size_t all = waiting.size();
  std::map<pid_t, Task> running;
  while (!running.empty() || (!waiting.empty() && g_stop == 0)) {
    while (g_stop == 0 && !waiting.empty() && std::ssize(running) < options.at_once) {
      Task task = waiting.back();
      waiting.pop_back();
      const StageState state = status_of(task).state;
      if (state == StageState::done) {
        task.tries = 0;
        if (++task.stage < planned.stages.size()) {
          waiting.push_back(task);
        } else {
          ++outcome.done;
        }
        continue;
      }
      if (state == StageState::given_up) {
        ++outcome.failed;
        log_info("{} of {} was given up: {}", stage_of(task), task.cell->name, status_of(task).reason);
        continue;
      }
      if (state == StageState::running) {
        ++outcome.left;
        log_info("{} of {} runs elsewhere: {}", stage_of(task), task.cell->name, status_of(task).host);
        continue;
      }
      task.started = std::chrono::steady_clock::now();
      ++task.tries;
      running[start({"bash", (options.project / "jobs/study_cell.sh").native(), study.path.native(), task.cell->name,
                     stage_of(task)},
                    environment)] = task;
    }
    if (running.empty()) continue;
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, 0);
    if (child < 0) {
      if (errno != EINTR || g_stop == 0) continue;
      log_info("stopping {} cells", running.size());
      for (const auto& [pid, task] : running) ::kill(pid, SIGTERM);
      g_stop = 2;
      continue;
    }
    const auto found = running.find(child);
    if (found == running.end()) continue;
    Task task = found->second;
    running.erase(found);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - task.started;
    const StageStatus now = status_of(task);
    log_info("{} of {}: {} after {:.0f} s{}{}  ({} of {} cells done)", stage_of(task), task.cell->name,
             name_of(now.state), took.count(), now.reason.empty() ? "" : ": ", now.reason,
             outcome.done + (now.state == StageState::done && task.stage + 1 == planned.stages.size() ? 1 : 0), all);
    if (now.state == StageState::running || (now.state != StageState::done && task.tries >= attempts + 3)) {
      ++outcome.left;  // somebody else has it, or it stops again and again without a word
    } else {
      waiting.push_back(task);  // the next stage, the next attempt, or the end of it: decided above
    }
  }
  outcome.is_stopped = g_stop != 0;
  outcome.left += std::ssize(waiting);
  return outcome;
}

}  // namespace clip_hpc
