#include "clip_hpc/eval/jobs/evaluate_all.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"
#include "clip_hpc/eval/jobs/write_results.hpp"

namespace clip_hpc {

void check_evaluable(const PackedSet& set, const EvalOptions& options) {
  for (const std::string& task : options.tasks) find_eval_task(task).check(set, options);
}

bool stop_is_asked(World& world) {
  std::array<std::int64_t, 1> asked{shutdown_requested() ? 1 : 0};
  world.all_reduce_max(asked);
  return asked[0] != 0;
}

namespace {

// What results call the sets of eval.data.
SetNames names_of_sets(const EvalOptions& options, const SetNames& given) {
  std::vector<std::string> folders;
  for (const std::string& path : options.data) folders.push_back(without_slash(packed_path(path)).native());
  return names_apart(folders, given);
}

// A result's label where the model has other weights than those it is known by.
std::string label_with(const std::string& label, const std::string& weights) {
  return label.empty() || weights.empty() ? label + weights : fmt::format("{}, {}", label, weights);
}

bool holds_results(const EvalOptions& options, const RunFolder& folder, std::int64_t step, const std::string& view,
                   const std::string& weights) {
  const std::vector<Result> results = read_run_results(folder);
  const auto holds = [&](const std::string& dataset, const std::string& task, const std::string& label,
                         const std::string& variant) {
    return std::ranges::any_of(results, [&](const Result& r) {
      return r.step == step && r.dataset == dataset && r.task == task && r.label == label && r.variant == variant &&
             same_view(r.view, view);
    });
  };
  const SetNames names = names_of_sets(options, {});
  for (const std::string& path : options.data) {
    const PackedSet set{path};
    for (const std::string& name : options.tasks) {
      const EvalTask& task = find_eval_task(name);
      for (const std::string& label : task.labels(set, options)) {
        for (const std::string& variant : task.variants(options)) {
          const std::string labelled = label_with(result_label(label), weights);
          if (!holds(set_name(set, names), task.result_task, labelled, variant)) return false;
        }
      }
    }
  }
  return true;
}

// Whether to go on with the next task. Collective.
bool goes_on(World& world, Evaluated& outcome) {
  if (stop_is_asked(world)) outcome.finished = false;
  return outcome.finished;
}

// Tasks that need no training, set by set.
void evaluate_sets(World& world, const TaskRun& run, Evaluated& outcome) {
  const bool needed_later =
      std::ranges::any_of(run.options.tasks, [](const auto& name) { return find_eval_task(name).learns(); });
  for (const std::string& path : run.options.data) {
    std::optional<PackedSet> set;
    for (const std::string& name : run.options.tasks) {
      const EvalTask& task = find_eval_task(name);
      if (task.learns()) continue;
      if (!goes_on(world, outcome)) return;
      attempt(outcome, fmt::format("{} of {}", task.shown_as, path), [&] {
        together(run.context.comm, [&] {
          if (!set) set.emplace(path);
        });
        task.run(run, *set);
      });
    }
    if (set && !needed_later) run.context.memo->forget(*set);
  }
}

// Tasks that learn, head by head, each on all sets.
void evaluate_learned(World& world, const TaskRun& run, Evaluated& outcome) {
  std::optional<PackedSet> train;
  std::vector<PackedSet> tests;
  std::vector<LearnedSets> by_label;
  together(run.context.comm, [&] {
    train.emplace(run.options.train_data);
    for (const std::string& path : run.options.data) tests.emplace_back(path);
    by_label = match_sets(*train, tests, run.names);
  });
  for (const LearnedSets& sets : by_label) {
    for (const std::string& name : run.options.tasks) {
      const EvalTask& task = find_eval_task(name);
      if (!task.learns()) continue;
      for (const std::string& head : task.heads(run.options)) {
        if (!goes_on(world, outcome)) return;
        attempt(outcome, fmt::format("{}{}{}", task.shown_as, head.empty() ? "" : " ", head),
                [&] { task.run_head(run, sets, head); });
      }
    }
  }
}

}  // namespace

bool is_evaluated(World& world, const EvalOptions& options, const RunFolder& folder, std::int64_t step,
                  const std::string& view, const std::string& weights) {
  std::array<std::int64_t, 1> missing{0};
  try {
    missing[0] = world.rank() == 0 && !holds_results(options, folder, step, view, weights) ? 1 : 0;
  } catch (const Error& problem) {  // of rank 0 alone, while the others wait
    log_warn("{}", problem.what());
    missing[0] = 1;
  }
  world.all_reduce_max(missing);
  return missing[0] == 0;
}

Evaluated evaluate_all(World& world, const EvalContext& given, const EvalOptions& options, const RunFolder& folder,
                       const Progress& progress, const std::string& run_name, const EvaluationOf& of) {
  FeatureMemo own;
  EvalContext context = given;
  if (context.memo == nullptr) context.memo = &own;
  Result common;
  common.model = context.model.config().name;
  common.pretrained = of.pretrained.empty() ? folder.path.native() : of.pretrained;
  common.run = run_name;
  common.step = progress.step;
  common.samples_seen = progress.samples_seen;
  common.view = context.view;

  Evaluated outcome;
  const std::function<void(TaskResult)> hand_in = [&](TaskResult done) {
    done.result.label = label_with(done.result.label, of.weights);
    write_task_result(context.comm, folder, done);
    outcome.results.push_back(std::move(done.result));
  };
  const SetNames names = names_of_sets(options, of.names);
  const TaskRun run{context, options, names, common, hand_in};
  evaluate_sets(world, run, outcome);
  if (!outcome.finished) return outcome;
  for (const std::string& name : options.tasks) {
    if (const EvalTask& task = find_eval_task(name); task.summarise != nullptr)
      task.summarise(options, outcome.results);
  }
  if (std::ranges::any_of(options.tasks, [](const auto& name) { return find_eval_task(name).learns(); })) {
    attempt(outcome, "tasks that learn from " + options.train_data, [&] { evaluate_learned(world, run, outcome); });
  }
  return outcome;
}

}  // namespace clip_hpc
