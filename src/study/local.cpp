#include "clip_hpc/study/local.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/process.hpp"
#include "clip_hpc/base/stop_signal.hpp"

namespace clip_hpc {
namespace {

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
    while (!running_.empty() || (!waiting_.empty() && !shutdown_requested())) {
      while (!shutdown_requested() && std::ssize(running_) < options_.at_once && begin_next()) {
      }
      if (running_.empty()) {
        tell_what_waits();
        break;
      }
      wait_for_one();
    }
    outcome_.is_stopped = shutdown_requested();
    outcome_.left += std::ssize(waiting_);
    return outcome_;
  }

 private:
  const std::string& stage_of(const Task& task) const { return planned_.stages[task.stage]; }
  StageStatus status_of(const Task& task) const { return read_stage(study_, *task.cell, stage_of(task)); }

  // A fork waits for the run that it forks from, whose state is read again when something here has ended.
  bool is_ready(const Task& task) {
    const std::string& name = task.cell->trunk;
    if (name.empty() || trained_.contains(name)) return true;
    if (!looks_at_trunks_) return false;
    const auto trunk = std::ranges::find(planned_.cells, name, &PlannedCell::name);
    if (trunk == planned_.cells.end() || read_stage(study_, *trunk, "train").state != StageState::done) return false;
    trained_.insert(name);
    return true;
  }

  // Whether there was a task that could begin, or be counted.
  bool begin_next() {
    const auto next = std::find_if(waiting_.rbegin(), waiting_.rend(), [&](const Task& one) { return is_ready(one); });
    if (next == waiting_.rend()) {
      looks_at_trunks_ = false;
      return false;
    }
    Task task = *next;
    waiting_.erase(std::next(next).base());
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
      running_[start_program({"bash", (options_.project / "jobs/study_cell.sh").native(), study_.path.native(),
                              task.cell->name, stage_of(task)},
                             environment_)] = task;
    }
    return true;
  }

  // What is left waits for what will not come.
  void tell_what_waits() const {
    for (const Task& task : waiting_) {
      log_info("{} waits for {}, which is not trained: it was given up, or runs elsewhere", task.cell->name,
               task.cell->trunk);
    }
  }

  void stop_all() {
    log_info("stopping {} cells", running_.size());
    for (const auto& [pid, task] : running_) ::kill(pid, SIGTERM);
    has_asked_ = true;
  }

  void wait_for_one() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, WNOHANG);
    if (child <= 0) {
      if (shutdown_requested() && !has_asked_) stop_all();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return;
    }
    const auto found = running_.find(child);
    if (found == running_.end()) return;
    const Task task = found->second;
    running_.erase(found);
    looks_at_trunks_ = true;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - task.started;
    const StageStatus now = status_of(task);
    log_info("{} of {}: {} after {:.0f} s{}{}  ({} of {} cells done)", stage_of(task), task.cell->name,
             name_of(now.state), took.count(), now.reason.empty() ? "" : ": ", now.reason,
             outcome_.done + (now.state == StageState::done && task.stage + 1 == planned_.stages.size() ? 1 : 0), all_);
    if (now.state == StageState::running || (now.state != StageState::done && task.tries >= planned_.attempts + 3)) {
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
  std::set<std::string> trained_;  // trunks
  bool looks_at_trunks_ = true;
  bool has_asked_ = false;
  LocalOutcome outcome_;
};

}  // namespace

void prepare_locally(const StudyFolder& study, const LocalOptions& options) {
  const OrderlyStop passed_on;
  const int code = wait_for_program(start_program({"bash", study.prepare_script().native()},
                                                  {fmt::format("CLIP_HPC_ROOT={}", options.project.native())}));
  if (!shutdown_requested() && code != 0) {
    throw storage_error("{} ended with exit code {}: its last lines say why", study.prepare_script().native(), code);
  }
}

LocalOutcome run_locally(const StudyFolder& study, const LocalOptions& options) {
  LocalRunner runner(study, options);
  const OrderlyStop passed_on(true);  // to the cells, which are process groups of their own
  prepare_locally(study, options);
  if (shutdown_requested()) return {.is_stopped = true};
  return runner.run();
}

}  // namespace clip_hpc
