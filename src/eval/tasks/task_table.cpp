#include <algorithm>
#include <array>

#include "clip_hpc/base/error.hpp"
#include "eval/tasks/task_rows.hpp"

namespace clip_hpc {

std::span<const EvalTask> eval_tasks() {
  static const std::array rows{zeroshot_row(), retrieval_row(), fewshot_row(), linear_probe_row()};
  return rows;
}

Strings eval_task_names() {
  Strings names;
  for (const EvalTask& task : eval_tasks()) names.emplace_back(task.name);
  return names;
}

const EvalTask& find_eval_task(const std::string& name) {
  const auto found = std::ranges::find(eval_tasks(), name, &EvalTask::name);
  if (found == eval_tasks().end()) {
    const Strings names = eval_task_names();
    throw input_error("no task of evaluation is called \"{}\"; did you mean {}? There are {}", name,
                      nearest_word(name, names), fmt::join(names, ", "));
  }
  return *found;
}

std::string eval_tasks_help() {
  Strings plain, learning;
  for (const EvalTask& task : eval_tasks()) {
    const std::string help = task.help;
    (task.learns() ? learning : plain)
        .push_back(fmt::format("`{}`{}", task.name, help.empty() ? "" : " (" + help + ")"));
  }
  return fmt::format("{}, or with `train_data` {}", fmt::join(plain, ", "), fmt::join(learning, ", "));
}

}  // namespace clip_hpc
