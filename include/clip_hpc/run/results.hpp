// results.json: an array of evaluations with the fields of CLIP_benchmark, so that its tools read them, plus study
// axes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

inline constexpr const char* kTaskZeroshot = "zeroshot_classification";
inline constexpr const char* kTaskRetrieval = "zeroshot_retrieval";
inline constexpr const char* kTaskFewshot = "fewshot";
inline constexpr const char* kTaskProbe = "linear_probe";

// What the model said about one test picture.
struct Prediction {
  std::string picture;  // PNG or JPEG thumbnail, relative to the run folder
  std::string truth;
  std::vector<std::string> names;  // the best names, best first (three, as a rule)
  std::vector<double> scores;      // one a name
};

struct Result {
  // CLIP_benchmark's fields
  std::string dataset;
  std::string model;
  std::string pretrained;
  std::string task = kTaskZeroshot;
  std::map<std::string, double> metrics;  // shares 0..1: acc1, acc5, mean_per_class_recall, image_retrieval_recall@1 …
  std::string language = "en";
  // study axes
  std::string run;
  std::int64_t step = 0;
  std::int64_t samples_seen = 0;
  std::int64_t n = 0;              // test samples
  std::int64_t classes = 0;        // 0: not a classification
  std::optional<double> chance;    // 0..1: accuracy of guessing
  std::optional<double> baseline;  // 0..1: accuracy of a peer that never saw a caption
  std::string baseline_name;
  std::string view;   // how test images were resized; empty in files of earlier versions, which do not say
  std::string label;  // tells apart evaluations of one step on one dataset, for example "ema"
  std::vector<Prediction> predictions;
  // of tasks that learn from a training split
  std::string variant;                  // tells apart recipes of one task: "lbfgs pooled", "5-shot pooled l2=1024"
  std::string train_data;               // as dataset
  std::map<std::string, double> hyper;  // what was given or chosen: shots and l2; lr, weight_decay or C
};

// acc1 of a classification, image_retrieval_recall@1 of a retrieval, else the first metric. Empty when there is none.
std::string main_metric(const Result& result);

std::vector<Result> read_results(const std::filesystem::path& file);  // throws storage, naming the file and the entry

// Whether two results may be of one view: a file of an earlier version does not say its own.
bool same_view(const std::string& a, const std::string& b);

// Those of results.json and, where it has none for the same (dataset, task, step, label, variant, view), those of
// results_follow.json. Empty where neither is there.
std::vector<Result> read_run_results(const RunFolder& folder);

// For tables and figures: where a run has results of several views for one evaluation, the label says each one's.
void tell_views_apart(std::vector<Result>& results);

// One result alone, as clip_benchmark eval writes it and clip_benchmark build reads it: its fields and its names of
// metrics (those of a linear probe are lp_acc1 …), then n, run, step, and where there are any view, label, variant and
// train_data.
std::string clip_benchmark_json(const Result& result);
// {dataset}_{pretrained}_{model}_{language}_{task}.json, its default. What is no letter, digit, dot or minus becomes _.
// Label and variant of a result stand behind the data set.
std::string clip_benchmark_file(const Result& result);

// Reads, changes and writes atomically; an entry of the same (dataset, task, step, label, variant, view) is replaced in
// its place. Creates the file. One writer at a time: rank 0.
void append_result(const std::filesystem::path& file, const Result& result);

}  // namespace clip_hpc
