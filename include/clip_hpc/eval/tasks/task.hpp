// What eval.tasks names. A task is one row of task_table.cpp and one file of this folder; everything that is asked
// about tasks elsewhere is asked of its row.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/learned_sets.hpp"
#include "clip_hpc/eval/result_names.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {

struct Artefact {              // a file beside results.json
  std::filesystem::path name;  // relative to the folder of the results
  std::string bytes;
  // A JSON file there whose `step` says what this file is of: that of a later step stays as it is. Empty: it is always
  // written.
  std::filesystem::path step_in = {};
};

struct TaskResult {
  Result result;
  std::vector<Artefact> artefacts = {};  // on rank 0, as the predictions of the result
};

struct TaskRun {  // what all tasks of one evaluation are given
  const EvalContext& context;
  const EvalOptions& options;
  const SetNames& names;  // what results call the sets
  const Result& common;   // the fields that all results share
  // Collective. Takes a result as soon as it is there, so that nothing is lost when the next one fails.
  const std::function<void(TaskResult)>& hand_in;
};

using Strings = std::vector<std::string>;

struct EvalTask {
  const char* name;         // in eval.tasks
  const char* help;         // which sets it is for, where that needs saying
  const char* shown_as;     // in messages
  const char* result_task;  // Result::task
  Strings metrics;          // that a suite may show
  const char* main_metric;  // that it shows where it does not say

  // The label names that it has results for, and the variants of each of them. Both throw input.
  Strings (*labels)(const PackedSet& set, const EvalOptions& options);
  Strings (*variants)(const EvalOptions& options);

  // Throws input or storage where the set and the options do not fit together: asked before anything is computed.
  void (*check)(const PackedSet& set, const EvalOptions& options);

  // Collective. Of a task that needs no training: all its results on one set.
  void (*run)(const TaskRun& run, const PackedSet& set) = nullptr;

  // Of a task that learns from eval.train_data: the heads that it trains, which fail one by one ("" for a single one);
  // and, collective, the results of one of them on all test sets.
  Strings (*heads)(const EvalOptions& options) = nullptr;
  void (*run_head)(const TaskRun& run, const LearnedSets& sets, const std::string& head) = nullptr;

  // Says what all sets together give.
  void (*summarise)(const EvalOptions& options, std::span<const Result> results) = nullptr;

  bool takes_labels = false;  // eval.labels says by which it classifies

  bool learns() const { return run_head != nullptr; }
};

std::span<const EvalTask> eval_tasks();
Strings eval_task_names();
const EvalTask& find_eval_task(const std::string& name);  // throws input, naming the nearest
std::string eval_tasks_help();                            // for eval.tasks

}  // namespace clip_hpc
