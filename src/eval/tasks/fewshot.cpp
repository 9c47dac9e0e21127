// Few-shot regression as a task: every number of shots and every strength of the ridge is a variant of its results.
#include <algorithm>
#include <map>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/eval/heads/ridge.hpp"
#include "eval/number_words.hpp"
#include "eval/tasks/task_rows.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kName = "fewshot";

FewshotOptions fewshot_options(const EvalOptions& options) {
  FewshotOptions fewshot{numbers_from<std::int64_t>("eval.shots", options.shots), options.fewshot_seeds,
                         numbers_from<double>("eval.l2", options.l2)};
  for (const std::int64_t shots : fewshot.shots) at_least(1)("eval.shots", shots);
  for (const double l2 : fewshot.l2) above(0)("eval.l2", l2);
  return fewshot;
}

std::string variant(FeatureKind kind, std::int64_t shots, double l2) {
  return fmt::format("{}-shot {} l2={}", shots, name_of(kind), l2);
}

Strings variants(const EvalOptions& options) {
  const FewshotOptions fewshot = fewshot_options(options);
  Strings all;
  for (const std::int64_t shots : fewshot.shots) {
    for (const double l2 : fewshot.l2) all.push_back(variant(feature_kind(options, FeatureKind::pooled), shots, l2));
  }
  return all;
}

void check(const PackedSet& set, const EvalOptions& options) {
  fewshot_options(options);
  check_learnable(set, options, kName);
}

// Of each number of shots: classes that have fewer training images.
std::map<std::int64_t, std::int64_t> short_classes(const LearnedSets& sets, const FewshotOptions& options) {
  std::vector<std::int64_t> images(sets.classes.names.size(), 0);
  for (const std::int64_t label : sets.classes.labels) ++images[static_cast<std::size_t>(label)];
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t shots : options.shots) {
    counts[shots] = std::ranges::count_if(images, [&](std::int64_t one) { return one < shots; });
    if (counts[shots] == 0) continue;
    log_info("warning: {}-shot by {}: {} of {} classes have fewer training images, down to {}: they give all they have",
             shots, sets.label, counts[shots], images.size(), std::ranges::min(images));
  }
  return counts;
}

void run_head(const TaskRun& run, const LearnedSets& sets, const std::string&) {
  const FeatureKind kind = feature_kind(run.options, FeatureKind::pooled);
  const Samples train = train_samples(run.context, sets, kind);
  const std::vector<TestSamples> tests = test_samples(run.context, sets, kind);
  const std::map<std::int64_t, std::int64_t> too_few = short_classes(sets, fewshot_options(run.options));
  const auto outcomes =
      evaluate_fewshot(run.context.comm, train, std::ssize(sets.classes.names), tests, fewshot_options(run.options));
  for (const FewshotOutcome& outcome : outcomes) {
    Result result = learned_result(run.common, sets, sets.tests[outcome.test], run.names);
    result.task = kTaskFewshot;
    result.variant = variant(kind, outcome.shots, outcome.l2);
    result.metrics = outcome.metrics;
    result.hyper = {{"shots", static_cast<double>(outcome.shots)},
                    {"l2", outcome.l2},
                    {"seeds", static_cast<double>(run.options.fewshot_seeds)}};
    if (const auto classes = too_few.at(outcome.shots); classes > 0) {
      result.hyper["classes_with_fewer"] = static_cast<double>(classes);
    }
    log_info("{}: few-shot, {}: {:.1f} % of {} images, mean of {} seeds", shown_name(result), result.variant,
             100 * outcome.metrics.at("acc1"), result.n, run.options.fewshot_seeds);
    run.hand_in({std::move(result)});
  }
}

}  // namespace

EvalTask fewshot_row() {
  return {.name = kName,
          .help = "",
          .shown_as = "few-shot regression",
          .result_task = kTaskFewshot,
          .metrics = kClassificationMetrics,
          .main_metric = "acc1",
          .labels = learned_labels,
          .variants = variants,
          .check = check,
          .heads = [](const EvalOptions&) { return Strings{""}; },
          .run_head = run_head};
}

}  // namespace clip_hpc
