// One evaluation that fails costs itself alone: neither the others nor the training that it belongs to.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/eval/tasks/task.hpp"

namespace clip_hpc {

struct EvalFailure {
  ErrorKind kind;
  std::string text;  // which evaluation, and why
};

struct Evaluated {
  bool finished = true;  // false: a rank was asked to shut down before the last task
  std::vector<EvalFailure> failures;
  std::vector<Result> results;  // in the order in which they were computed
};

// Runs one task. What it throws must be the same on all ranks (comm/collectively.hpp); lost communication ends the
// program.
template <class Task>
void attempt(Evaluated& outcome, const std::string& name, Task&& task) {
  try {
    std::forward<Task>(task)();
  } catch (const Error& problem) {
    if (exit_code(problem.kind()) == kExitComm || problem.kind() == ErrorKind::lost_peer) throw;
    outcome.failures.push_back({problem.kind(), fmt::format("{}: {}", name, problem.what())});
    log_info("warning: EVALUATION FAILED, {}", outcome.failures.back().text);
  }
}

}  // namespace clip_hpc
