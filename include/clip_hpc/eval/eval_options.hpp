#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/tasks/fewshot.hpp"
#include "clip_hpc/eval/tasks/linear_probe.hpp"
#include "clip_hpc/eval/zeroshot_task.hpp"

namespace clip_hpc {

struct EvalOptions {  // [eval]
  std::int64_t every_samples = 0;
  bool at_checkpoints = false;
  std::vector<std::string> data;
  std::vector<std::string> tasks{"zeroshot"};
  std::string view = "resize";
  std::string captions = "all";
  std::int64_t pictures = 24;
  std::vector<std::string> labels;
  std::string templates, classnames, classes, label_map, multilabel;  // files
  bool canonicalise = false;
  bool per_class = false;
  std::vector<std::string> average;
  std::string train_data;
  std::string features = "auto";
  std::vector<std::string> shots{"1", "5", "10", "25"};
  std::int64_t fewshot_seeds = 3;
  std::vector<std::string> l2{"1024"};
  std::vector<std::string> probes{"sgd"};
  std::vector<std::string> probe_lr;
  std::vector<std::string> probe_weight_decay;
  std::vector<std::string> probe_c;
  std::int64_t probe_epochs = 0;
  std::int64_t probe_batch = 256;
  double probe_val_share = 0.2;
  std::int64_t probe_seed = 0;
};
void describe(OptionTable& table, EvalOptions& options);

ZeroshotFiles zeroshot_files(const EvalOptions& options);
// What zero-shot results of these options are called; empty where all is as the set has it.
std::string zeroshot_variant(const EvalOptions& options);
// The label names to classify by: eval.labels, else `label` alone where files say what the classes are, else all.
// Throws input where the set lacks them.
std::vector<std::string> zeroshot_labels(const PackedSet& set, const EvalOptions& options);

// Whether a task needs eval.train_data.
bool learns(const std::string& task);

FewshotOptions fewshot_options(const EvalOptions& options);                              // throws input
ProbeRecipe probe_recipe(const EvalOptions& options, const std::string& method);         // throws input
FeatureKind feature_kind(const EvalOptions& options, const std::string& task_or_probe);  // what auto means

}  // namespace clip_hpc
