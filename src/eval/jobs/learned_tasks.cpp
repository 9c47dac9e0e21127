#include "clip_hpc/eval/jobs/learned_tasks.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/collectively.hpp"

namespace clip_hpc {
namespace {

std::string fewshot_variant(const EvalOptions& options, std::int64_t shots, double l2) {
  return fmt::format("{}-shot {} l2={}", shots, name_of(feature_kind(options, "fewshot")), l2);
}

std::string probe_variant(const EvalOptions& options, const std::string& method) {
  return fmt::format("{} {}", method, name_of(feature_kind(options, method)));
}

// One test set under one of its label names.
struct TestSet {
  const PackedSet* set = nullptr;
  TestSamples matched;  // x is filled in by the kind of features that is asked for
};

struct Task {
  World& world;
  const EvalContext& context;
  const EvalOptions& options;
  const RunFolder& folder;
  const SetNames& names;
  const PackedSet& train;
  std::string label;
  TrainClasses classes;
  std::vector<TestSet> tests;
};

std::vector<TestSamples> test_samples(const Task& task, FeatureKind kind) {
  std::vector<TestSamples> all;
  for (const TestSet& test : task.tests) {
    all.push_back(test.matched);
    all.back().samples.x = shared_image_features(task.context, *test.set, kind);
  }
  return all;
}

Result result_of(const Task& task, const Result& common, const TestSet& test, const char* name) {
  Result result = common;
  result.task = name;
  result.dataset = set_name(*test.set, task.names);
  result.train_data = set_name(task.train);
  result.label = result_label(task.label);
  result.n = std::ssize(test.matched.samples.y);
  result.classes = std::ssize(test.matched.columns);
  result.chance = 1.0 / static_cast<double>(result.classes);
  return result;
}

std::string where(const Result& result) {
  return result.label.empty() ? result.dataset : result.dataset + " by " + result.label;
}

void write_fewshot(const Task& task, const Result& common) {
  const FeatureKind kind = feature_kind(task.options, "fewshot");
  const Samples train{shared_image_features(task.context, task.train, kind), task.classes.labels};
  const std::vector<TestSamples> tests = test_samples(task, kind);
  const auto outcomes =
      evaluate_fewshot(task.context.comm, train, std::ssize(task.classes.names), tests, fewshot_options(task.options));
  for (const FewshotOutcome& outcome : outcomes) {
    Result result = result_of(task, common, task.tests[outcome.test], kTaskFewshot);
    result.variant = fewshot_variant(task.options, outcome.shots, outcome.l2);
    result.metrics = outcome.metrics;
    result.hyper = {{"shots", static_cast<double>(outcome.shots)},
                    {"l2", outcome.l2},
                    {"seeds", static_cast<double>(task.options.fewshot_seeds)}};
    log_info("{}: few-shot, {}: {:.1f} % of {} images, mean of {} seeds", where(result), result.variant,
             100 * outcome.metrics.at("acc1"), result.n, task.options.fewshot_seeds);
    write_result(task.context, task.folder, result);
  }
}

void write_probe(const Task& task, const Result& common, const std::string& method) {
  const FeatureKind kind = feature_kind(task.options, method);
  const auto classes = std::ssize(task.classes.names);
  const Samples all{shared_image_features(task.context, task.train, kind), task.classes.labels};
  check_trainable(all, classes, task.train.folder().native());
  const auto [train, validation] =
      split_validation(all, classes, task.options.probe_val_share, static_cast<std::uint64_t>(task.options.probe_seed));
  const std::vector<TestSamples> tests = test_samples(task, kind);
  for (const TestSamples& test : tests) check_testable(test, all.x.size(1), classes);
  const Timer timer;
  const ProbeHead head = fit_probe(task.context.comm, probe_recipe(task.options, method), train, validation, classes);
  log_info("linear probe, {} on {} features: {} = {:.4g} of {} tried, {:.1f} s", method, name_of(kind), head.chosen,
           head.value, std::max<std::size_t>(1, head.trials.size()), timer.seconds());
  for (std::size_t i = 0; i < tests.size(); ++i) {
    Result result = result_of(task, common, task.tests[i], kTaskProbe);
    result.variant = probe_variant(task.options, method);
    result.metrics = head_metrics(head.weight, head.bias, tests[i]);
    result.hyper = {{head.chosen, head.value}};
    log_info("{}: linear probe, {}: {:.1f} % of {} images, {} classes", where(result), result.variant,
             100 * result.metrics.at("acc1"), result.n, result.classes);
    write_result(task.context, task.folder, result);
  }
}

}  // namespace

std::string set_name(const PackedSet& set, const SetNames& names) {
  if (const auto named = names.find(set.folder().native()); named != names.end()) return named->second;
  return set.folder().parent_path().filename().string() + "/" + set.folder().filename().string();
}

std::string result_label(const std::string& label_name) {
  return label_name == "label" ? "" : label_name.substr(label_name.find('_') + 1);
}

std::vector<std::string> variants_of(const EvalOptions& options, const std::string& task) {
  std::vector<std::string> variants;
  if (task == "linear_probe") {
    for (const std::string& method : options.probes) variants.push_back(probe_variant(options, method));
  } else if (task == "fewshot") {
    const FewshotOptions fewshot = fewshot_options(options);
    for (const std::int64_t shots : fewshot.shots) {
      for (const double l2 : fewshot.l2) variants.push_back(fewshot_variant(options, shots, l2));
    }
  } else {
    variants.push_back(task == "zeroshot" ? zeroshot_variant(options) : "");
  }
  return variants;
}

std::vector<std::string> shared_labels(const PackedSet& train, const PackedSet& test) {
  std::vector<std::string> shared;
  for (const std::string& label : test.info().label_names) {
    if (std::ranges::find(train.info().label_names, label) != train.info().label_names.end()) shared.push_back(label);
  }
  if (shared.empty()) {
    throw input_error("{} has no labels in common with eval.train_data = {}: name a training split of the same source",
                      test.folder().native(), train.folder().native());
  }
  return shared;
}

bool stop_is_asked(World& world) {
  std::array<std::int64_t, 1> asked{shutdown_requested() ? 1 : 0};
  world.all_reduce_max(asked);
  return asked[0] != 0;
}

void write_result(const EvalContext& context, const RunFolder& folder, const Result& result) {
  together(context.comm, [&] {
    if (context.comm.rank() == 0) append_result(folder.results_file(), result);
  });
}

void evaluate_learned(World& world, const EvalContext& context, const EvalOptions& options, const RunFolder& folder,
                      const Result& common, Evaluated& outcome, const SetNames& names) {
  std::optional<PackedSet> train;
  std::vector<PackedSet> sets;
  std::map<std::string, std::vector<TestSet>> tests;  // by label name
  std::map<std::string, TrainClasses> classes;
  together(context.comm, [&] {
    train.emplace(options.train_data);
    for (const std::string& path : options.data) sets.emplace_back(path);
    for (const PackedSet& set : sets) {
      for (const std::string& label : shared_labels(*train, set)) {
        if (!classes.contains(label)) classes.emplace(label, train_classes(*train, label));
        tests[label].push_back({&set, match_classes(set, label, classes.at(label))});
        const auto lost = std::ranges::count(tests[label].back().matched.samples.y, -1);
        if (lost > 0) {
          log_info("{}: {} of {} images are of classes without a training image and count as wrong",
                   set_name(set, names), lost, set.count());
        }
      }
    }
  });
  for (const auto& [label, of_label] : tests) {
    const Task task{world, context, options, folder, names, *train, label, classes.at(label), of_label};
    for (const std::string& name : options.tasks) {
      if (name == "fewshot") {
        if (stop_is_asked(world)) outcome.finished = false;
        if (!outcome.finished) return;
        attempt(outcome, "few-shot regression", [&] { write_fewshot(task, common); });
      } else if (name == "linear_probe") {
        for (const std::string& method : options.probes) {
          if (stop_is_asked(world)) outcome.finished = false;
          if (!outcome.finished) return;
          attempt(outcome, "linear probe " + method, [&] { write_probe(task, common, method); });
        }
      }
    }
  }
}

}  // namespace clip_hpc
