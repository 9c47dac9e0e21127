// The rows of task_table.cpp, each defined in the file of its task.
#pragma once

#include "clip_hpc/eval/tasks/task.hpp"

namespace clip_hpc {

EvalTask zeroshot_row();
EvalTask retrieval_row();
EvalTask fewshot_row();
EvalTask linear_probe_row();

// What a suite may show of a classification.
inline const Strings kClassificationMetrics{"acc1", "acc5", "mean_per_class_recall"};

}  // namespace clip_hpc
