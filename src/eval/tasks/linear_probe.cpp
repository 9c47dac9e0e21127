// Linear probes as a task: every method of eval.probes trains a head, and is a variant of its results.
#include <algorithm>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/eval/heads/probe.hpp"
#include "eval/number_words.hpp"
#include "eval/tasks/task_rows.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kName = "linear_probe";

ProbeRecipe probe_recipe(const EvalOptions& options, const std::string& method) {
  ProbeRecipe recipe;
  recipe.method = method;
  recipe.values = method == "sgd"     ? numbers_from<double>("eval.probe_lr", options.probe_lr)
                  : method == "adamw" ? numbers_from<double>("eval.probe_weight_decay", options.probe_weight_decay)
                                      : numbers_from<double>("eval.probe_c", options.probe_c);
  recipe.epochs = options.probe_epochs;
  recipe.batch = options.probe_batch;
  recipe.seed = static_cast<std::uint64_t>(options.probe_seed);
  return recipe;
}

FeatureKind kind_for(const EvalOptions& options, const std::string& method) {
  return feature_kind(options, method == "adamw" ? FeatureKind::projected : FeatureKind::pooled);
}

std::string variant(const EvalOptions& options, const std::string& method) {
  return fmt::format("{} {}", method, name_of(kind_for(options, method)));
}

Strings variants(const EvalOptions& options) {
  Strings all;
  for (const std::string& method : options.probes) all.push_back(variant(options, method));
  return all;
}

void check(const PackedSet& set, const EvalOptions& options) {
  for (const std::string& method : options.probes) probe_recipe(options, method);
  check_learnable(set, options, kName);
}

void run_head(const TaskRun& run, const LearnedSets& sets, const std::string& method) {
  const EvalOptions& options = run.options;
  const FeatureKind kind = kind_for(options, method);
  const auto classes = std::ssize(sets.classes.names);
  const Samples all = train_samples(run.context, sets, kind);
  check_trainable(all, classes, sets.train->folder().native());
  const auto [train, validation] =
      split_validation(all, classes, options.probe_val_share, static_cast<std::uint64_t>(options.probe_seed));
  const std::vector<TestSamples> tests = test_samples(run.context, sets, kind);
  for (const TestSamples& test : tests) check_testable(test, all.x.size(1), classes);
  const Timer timer;
  const ProbeHead head = fit_probe(run.context.comm, probe_recipe(options, method), train, validation, classes);
  log_info("linear probe, {} on {} features: {} = {:.4g} of {} tried, {:.1f} s", method, name_of(kind), head.chosen,
           head.value, std::max<std::size_t>(1, head.trials.size()), timer.seconds());
  for (std::size_t i = 0; i < tests.size(); ++i) {
    Result result = learned_result(run.common, sets, sets.tests[i], run.names);
    result.task = kTaskProbe;
    result.variant = variant(options, method);
    result.metrics = head_metrics(head.weight, head.bias, tests[i]);
    result.hyper = {{head.chosen, head.value}};
    log_info("{}: linear probe, {}: {:.1f} % of {} images, {} classes", shown_name(result), result.variant,
             100 * result.metrics.at("acc1"), result.n, result.classes);
    run.hand_in({std::move(result)});
  }
}

}  // namespace

EvalTask linear_probe_row() {
  return {.name = kName,
          .help = "",
          .shown_as = "linear probe",
          .result_task = kTaskProbe,
          .metrics = kClassificationMetrics,
          .main_metric = "acc1",
          .labels = learned_labels,
          .variants = variants,
          .check = check,
          .heads = [](const EvalOptions& options) { return options.probes; },
          .run_head = run_head};
}

}  // namespace clip_hpc
