#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct EvalOptions {  // [eval]
  std::int64_t every_samples = 0;
  bool at_checkpoints = false;
  std::vector<std::string> data;
  std::vector<std::string> tasks{"zeroshot"};
  std::string view = "model";
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

}  // namespace clip_hpc
