// The training split of tasks that learn, and the test sets that their heads are tried on, matched by class names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/result_names.hpp"
#include "clip_hpc/eval/samples.hpp"

namespace clip_hpc {

struct TestSet {  // under one label name
  const PackedSet* set = nullptr;
  TestSamples matched;  // x is filled in by the kind of features that is asked for
};

struct LearnedSets {  // everything that is classified by one label name
  const PackedSet* train = nullptr;
  std::string label;
  TrainClasses classes;
  std::vector<TestSet> tests;
};

// The label names that a test set has in common with the training split. Throws input where there is none.
std::vector<std::string> shared_labels(const PackedSet& train, const PackedSet& test);

// One entry a label name, in their order. The sets must outlive it. Throws input, storage.
std::vector<LearnedSets> match_sets(const PackedSet& train, std::span<const PackedSet> sets, const SetNames& names);

// What all tasks that learn have in common as rows of the table: their labels, and what they check.
std::vector<std::string> learned_labels(const PackedSet& set, const EvalOptions& options);
void check_learnable(const PackedSet& set, const EvalOptions& options, const std::string& task);

// The kind of features that eval.features asks for; `automatic` is what `auto` means.
FeatureKind feature_kind(const EvalOptions& options, FeatureKind automatic);

// Collective. Features with labels.
Samples train_samples(const EvalContext& context, const LearnedSets& sets, FeatureKind kind);
std::vector<TestSamples> test_samples(const EvalContext& context, const LearnedSets& sets, FeatureKind kind);

// The fields that results of one test set share, on top of `common`.
Result learned_result(const Result& common, const LearnedSets& sets, const TestSet& test, const SetNames& names);

}  // namespace clip_hpc
