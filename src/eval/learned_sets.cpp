#include "clip_hpc/eval/learned_sets.hpp"

#include <algorithm>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {

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

std::vector<LearnedSets> match_sets(const PackedSet& train, std::span<const PackedSet> sets, const SetNames& names) {
  std::map<std::string, LearnedSets> by_label;
  for (const PackedSet& set : sets) {
    if (set.checksum() == train.checksum()) {
      log_info("warning: {} is eval.train_data itself: its heads are tested on the images that they learned from",
               set_name(set, names));
    }
    for (const std::string& label : shared_labels(train, set)) {
      const auto [found, fresh] = by_label.try_emplace(label);
      LearnedSets& one = found->second;
      if (fresh) one = {&train, label, train_classes(train, label), {}};
      one.tests.push_back({&set, match_classes(set, label, one.classes)});
      const auto lost = std::ranges::count(one.tests.back().matched.samples.y, -1);
      if (lost > 0) {
        log_info("{}: {} of {} images are of classes without a training image and count as wrong", set_name(set, names),
                 lost, set.count());
      }
    }
  }
  std::vector<LearnedSets> all;
  for (auto& [label, one] : by_label) all.push_back(std::move(one));
  return all;
}

std::vector<std::string> learned_labels(const PackedSet& set, const EvalOptions& options) {
  return shared_labels(PackedSet{options.train_data}, set);
}

void check_learnable(const PackedSet& set, const EvalOptions& options, const std::string& task) {
  if (options.train_data.empty()) {
    throw input_error("{} needs a split to learn from: give eval.train_data (clip_hpc eval --train-data)", task);
  }
  const PackedSet train{options.train_data};
  for (const std::string& label : shared_labels(train, set)) match_classes(set, label, train_classes(train, label));
}

FeatureKind feature_kind(const EvalOptions& options, FeatureKind automatic) {
  if (options.features == "auto") return automatic;
  return options.features == "pooled" ? FeatureKind::pooled : FeatureKind::projected;
}

Samples train_samples(const EvalContext& context, const LearnedSets& sets, FeatureKind kind) {
  return {shared_image_features(context, *sets.train, kind), sets.classes.labels};
}

std::vector<TestSamples> test_samples(const EvalContext& context, const LearnedSets& sets, FeatureKind kind) {
  std::vector<TestSamples> all;
  for (const TestSet& test : sets.tests) {
    all.push_back(test.matched);
    all.back().samples.x = shared_image_features(context, *test.set, kind);
  }
  return all;
}

Result learned_result(const Result& common, const LearnedSets& sets, const TestSet& test, const SetNames& names) {
  Result result = common;
  result.dataset = set_name(*test.set, names);
  result.train_data = set_name(*sets.train);
  result.label = result_label(sets.label);
  result.n = std::ssize(test.matched.samples.y);
  result.classes = std::ssize(test.matched.columns);
  result.chance = 1.0 / static_cast<double>(result.classes);
  return result;
}

}  // namespace clip_hpc
