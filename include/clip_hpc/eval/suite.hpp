// A suite: the data sets that a model is evaluated on in one job, read from an INI file. A section is one task on one
// data set:
//   [imagenet 5-shot]          name of its row, unique
//   dataset = imagenet1k       what results call it; none: the section's name
//   path = imagenet1k/test     packed set, from --data-root, as are train_data and the files of zero-shot
//   classification task = fewshot             zeroshot (default), retrieval, fewshot, linear_probe metric = acc1 what
//   stands in the table and is averaged shots = 5                  any key of [eval] that is about one evaluation
// [suite] holds such keys for all sections, and `average = NAME: section, section` (or NAME: *).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/eval/eval_options.hpp"

namespace clip_hpc {

struct SuiteEntry {
  std::string section, dataset, task, metric;
  EvalOptions options;  // data and tasks are the section's own; paths begin with the data root
};

struct SuiteAverage {
  std::string name;
  std::vector<std::string> sections;
};

struct Suite {
  std::string name;  // stem of the file
  std::filesystem::path file;
  std::vector<SuiteEntry> entries;
  std::vector<SuiteAverage> averages;
};

// `defaults`: what sections and [suite] leave open. Throws input, naming the line or the section.
Suite read_suite(const std::filesystem::path& file, const std::filesystem::path& data_root,
                 const EvalOptions& defaults);

// The value of a section's metric: mean_recall@1 is the mean of both directions. Nothing where it is not there.
std::optional<double> suite_metric(const std::string& metric, const std::map<std::string, double>& metrics);

}  // namespace clip_hpc
