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

std::vector<std::string> environment_of(const LocalOptions& options) {
  const auto processors = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t ranks =
      options.ranks > 0 ? options.ranks : std::max<std::int64_t>(1, processors / options.at_once);
  std::vector<std::string> environment{fmt::format("RANKS={}", ranks),
                                       fmt::format("CLIP_HPC_ROOT={}", options.project.native())};
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {  // cells share the processors, as ranks of one cell do
    environment.push_back(
        fmt::format("OMP_NUM_THREADS={}", std::max<std::int64_t>(1, processors / (ranks * options.at_once))));
  }
  return environment;
}

// The stages of all cells, a few at once.
class LocalRunner {
 public:
  LocalRunner(const StudyFolder& study, const LocalOptions& options)
      : study_(study), options_(options), planned_(read_study(study)), environment_(environment_of(options)) {
    for (auto cell = planned_.cells.rbegin(); cell != planned_.cells.rend(); ++cell) {
      if (cell->not_yet.empty()) waiting_.push_back({.cell = &*cell});
    }
    all_ = waiting_.size();
  }

  LocalOutcome run() {
    while (!running_.empty() || (!waiting_.empty() && g_stop == 0)) {
      while (g_stop == 0 && !waiting_.empty() && std::ssize(running_) < options_.at_once) begin_next();
      if (!running_.empty()) wait_for_one();
    }
    outcome_.is_stopped = g_stop != 0;
    outcome_.left += std::ssize(waiting_);
    return outcome_;
  }

 private:
  const std::string& stage_of(const Task& task) const { return planned_.stages[task.stage]; }
  StageStatus status_of(const Task& task) const {
    return read_stage(study_, *task.cell, stage_of(task), file_system_time(study_));
  }

  void begin_next() {
    Task task = waiting_.back();
    waiting_.pop_back();
    const StageStatus status = status_of(task);
    if (status.state == StageState::done) {
      task.tries = 0;
      if (++task.stage < planned_.stages.size()) {
        waiting_.push_back(task);
      } else {
        ++outcome_.done;
      }
    } else if (status.state == StageState::given_up) {
      ++outcome_.failed;
      log_info("{} of {} was given up: {}", stage_of(task), task.cell->name, status.reason);
    } else if (status.state == StageState::running) {
      ++outcome_.left;
      log_info("{} of {} runs elsewhere: {}", stage_of(task), task.cell->name, status.host);
    } else {
      task.started = std::chrono::steady_clock::now();
      ++task.tries;
      running_[start({"bash", (options_.project / "jobs/study_cell.sh").native(), study_.path.native(), task.cell->name,
                      stage_of(task)},
                     environment_)] = task;
    }
  }

  void stop_all() {
    log_info("stopping {} cells", running_.size());
    for (const auto& [pid, task] : running_) ::kill(pid, SIGTERM);
    g_stop = 2;
  }

  void wait_for_one() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, 0);
    if (child < 0) {
      if (errno == EINTR && g_stop != 0) stop_all();
      return;
    }
    const auto found = running_.find(child);
    if (found == running_.end()) return;
    const Task task = found->second;
    running_.erase(found);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - task.started;
    const StageStatus now = status_of(task);
    log_info("{} of {}: {} after {:.0f} s{}{}  ({} of {} cells done)", stage_of(task), task.cell->name,
             name_of(now.state), took.count(), now.reason.empty() ? "" : ": ", now.reason,
             outcome_.done + (now.state == StageState::done && task.stage + 1 == planned_.stages.size() ? 1 : 0), all_);
    const auto attempts = planned_.json.value("attempts", std::int64_t{3});
    if (now.state == StageState::running || (now.state != StageState::done && task.tries >= attempts + 3)) {
      ++outcome_.left;  // somebody else has it, or it stops again and again without a word
    } else {
      waiting_.push_back(task);  // the next stage, the next attempt, or the end of it: begin_next decides
    }
  }

  const StudyFolder& study_;
  const LocalOptions& options_;
  PlannedStudy planned_;
  std::vector<std::string> environment_;
  std::vector<Task> waiting_;  // taken from the back
  std::map<pid_t, Task> running_;
  std::size_t all_ = 0;
  LocalOutcome outcome_;
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
  LocalRunner runner(study, options);
  const SignalGuard guard;
  prepare_locally(study, options);
  if (g_stop != 0) return {.is_stopped = true};
  return runner.run();
}

}  // namespace clip_hpc
