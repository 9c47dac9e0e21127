// Studies with known numbers: cells of a grid, their results, as the table of clip_study collect and as run folders.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc::synthetic {

struct Cell {
  std::string tower = "B32", strategy = "clip", augmentation = "none";
  double quality = 1, set = 0, samples = 0;
  int seed = 0;
  std::string name() const {
    return fmt::format("{}_{}_{}_q{}_{}_{}_{}", tower, strategy, augmentation, 100 * quality, set, samples, seed);
  }
};

inline const std::map<std::string, double>& gmacs() {
  static const std::map<std::string, double> kGmacs{{"Ti16", 2.61},  {"S16", 5.94},  {"B32", 5.69},
                                                    {"B16", 18.83},  {"L16", 62.6},  {"R50", 5.45},
                                                    {"SwinT", 5.85}, {"CNXT", 5.82}, {"Mixer", 4.6}};
  return kGmacs;
}

// Accuracy on the main set, 0..1; the seeds 0 and 1 lie 0.004 below and above it.
inline double accuracy(const Cell& cell) {
  const double size = std::log(gmacs().at(cell.tower));
  double error = 0.5 - 0.06 * size + 0.3 * std::pow(cell.samples / 1e7, -0.35) + 0.2 * std::pow(cell.set / 1e7, -0.4);
  if (cell.augmentation != "none") error += cell.samples > 1.5 * cell.set ? -0.03 : 0.03;
  if (cell.strategy == "slip") error -= 0.02;
  error += 0.2 * std::pow(cell.quality - 0.45, 2);
  return std::clamp(1 - error, 0.01, 0.95) + 0.004 * (2 * cell.seed - 1);
}

// On the i-th other set: on a line in logits, of slope 1 + i/10, below the main set. Augmented runs lie above it.
inline double other_accuracy(const Cell& cell, int i) {
  const double main = accuracy(cell), logit = std::log(main / (1 - main));
  const double other = (1 + 0.1 * i) * logit - 0.5 - (cell.augmentation != "none" ? -0.3 : 0.0);
  return 1 / (1 + std::exp(-other));
}

inline const std::vector<std::string>& other_sets() {
  static const std::vector<std::string> kSets{"imagenet-a", "imagenet-r",      "imagenet_sketch",
                                              "imagenetv2", "imagenet1k-real", "objectnet"};
  return kSets;
}

struct Tasks {
  bool zeroshot = true, others = true, fewshot = true, probe = true, retrieval = true;
  std::string main = "imagenet1k", captions = "mscoco_captions";
};

inline std::vector<Result> results_of(const Cell& cell, const Tasks& tasks = {}) {
  std::vector<Result> results;
  const auto add = [&](const std::string& dataset, const char* task, const std::string& variant,
                       std::map<std::string, double> metrics) {
    Result result;
    result.dataset = dataset;
    result.task = task;
    result.variant = variant;
    result.metrics = std::move(metrics);
    result.step = 1000;
    result.samples_seen = static_cast<std::int64_t>(cell.samples);
    result.n = 50000;
    result.classes = 1000;
    result.chance = 0.001;
    results.push_back(result);
  };
  const double main = accuracy(cell);
  if (tasks.zeroshot) add(tasks.main, kTaskZeroshot, "canonical", {{"acc1", main}, {"acc5", 0.5 + main / 2}});
  for (std::size_t i = 0; i < other_sets().size(); ++i) {
    const double other = other_accuracy(cell, static_cast<int>(i));
    if (tasks.others) add(other_sets()[i], kTaskZeroshot, "canonical", {{"acc1", other}});
    if (tasks.others && tasks.probe) add(other_sets()[i], kTaskProbe, "sgd pooled", {{"acc1", 0.8 * other}});
  }
  if (tasks.fewshot) {
    add(tasks.main, kTaskFewshot, "5-shot pooled l2=1024", {{"acc1", 0.7 * main}});
    add(tasks.main, kTaskFewshot, "10-shot pooled l2=1024", {{"acc1", 0.8 * main}});
  }
  if (tasks.probe) add(tasks.main, kTaskProbe, "sgd pooled", {{"acc1", 0.9 * main}});
  if (tasks.retrieval) {
    add(tasks.captions, kTaskRetrieval, "",
        {{"image_retrieval_recall@1", 0.5 * main}, {"text_retrieval_recall@1", 0.7 * main}});
  }
  return results;
}

inline Json table_of(const std::vector<Cell>& cells, const Tasks& tasks = {}) {
  Json table = {{"schema_version", 1}, {"study", "synthetic"}, {"cells", Json::array()}};
  for (const Cell& cell : cells) {
    Json results = Json::array();
    for (const Result& result : results_of(cell, tasks)) {
      results.push_back({{"dataset", result.dataset},
                         {"task", result.task},
                         {"variant", result.variant},
                         {"step", result.step},
                         {"samples_seen", result.samples_seen},
                         {"n", result.n},
                         {"chance", *result.chance},
                         {"metrics", result.metrics}});
    }
    table["cells"].push_back({{"name", cell.name()},
                              {"state", "done"},
                              {"points",
                               {{{"grid", "all"},
                                 {"labels",
                                  {{"tower", cell.tower},
                                   {"strategy", cell.strategy},
                                   {"aug", cell.augmentation},
                                   {"data", fmt::format("{}", cell.set)},
                                   {"length", "one"},
                                   {"seed", std::to_string(cell.seed)}}}}}},
                              {"fraction", cell.quality},
                              {"set_samples", cell.set},
                              {"samples", cell.samples},
                              {"samples_seen", cell.samples},
                              {"macs", gmacs().at(cell.tower) * (cell.strategy == "slip" ? 2e9 : 1e9)},
                              {"measured_gpu_hours", cell.samples / 3.6e6},
                              {"results", results}});
  }
  return table;
}

// All points of the paper's figures, as configs/study/paper.cfg plans them.
inline std::vector<Cell> paper_cells() {
  const std::vector<double> sets{1e7, 2.5e7, 5e7, 1e8, 2e8, 4e8, 8e8, 1e9, 1.7e9, 2.6e9, 3.4e9};
  std::map<std::string, Cell> cells;
  const auto add = [&](const Cell& cell) { cells.emplace(cell.name(), cell); };
  for (const double set : {2.5e7, 5e7, 1e8, 2e8, 4e8}) {
    for (const int epochs : {2, 4, 8, 16, 32}) add({.set = set, .samples = epochs * set});
  }
  for (const double quality : {0.2, 0.4, 0.6, 0.8}) {
    add({.quality = quality, .set = quality * 3.4e9, .samples = quality * 3.4e9});
    add({.quality = quality, .set = quality * 3.4e9, .samples = 3.4e9});
  }
  for (const double set : sets) {
    for (const double samples : {set, 3.4e9}) {
      for (const auto& [tower, cost] : gmacs()) add({.tower = tower, .set = set, .samples = samples});
      for (const char* strategy : {"flip", "slip"}) add({.strategy = strategy, .set = set, .samples = samples});
      add({.augmentation = "stacked", .set = set, .samples = samples});
    }
  }
  for (const double set : {1e7, 2.5e7, 5e7, 1e8}) {
    for (const char* augmentation : {"none", "cropflip", "rand", "stacked"}) {
      add({.augmentation = augmentation, .set = set, .samples = 30 * set});
    }
  }
  std::vector<Cell> all;
  for (const auto& [name, cell] : cells) all.push_back(cell);
  return all;
}

// A run folder with as many lines of metrics.
inline void write_run(const std::filesystem::path& folder, const Cell& cell, const Tasks& tasks = {}, int lines = 20) {
  const RunFolder run{folder};
  run.create();
  const std::map<std::string, std::string> models{
      {"Ti16", "ViT-Ti-16-paper"}, {"S16", "ViT-S-16-paper"}, {"B32", "ViT-B-32-paper"},
      {"B16", "ViT-B-16-paper"},   {"L16", "ViT-L-16-paper"}, {"R50", "ResNet-50"},
      {"SwinT", "Swin-T"},         {"CNXT", "ConvNeXt-T"},    {"Mixer", "Mixer-B-32"}};
  std::string config =
      fmt::format("[run]\nname = {}\nseed = {}\n\n[data]\ntrain = packed/train\n", cell.name(), cell.seed);
  if (cell.quality < 1) config += fmt::format("subset = subsets/top{}.h5\n", 100 * cell.quality);
  config += fmt::format(
      "\n[model]\nconfig = {}/configs/models/{}.json\n\n[strategy]\nname = {}\nmask_ratio = 0.5\naugmentation = "
      "{}\n\n[train]\n"
      "samples = {:.0f}\nepochs = 1\n",
      std::getenv("CLIP_HPC_SOURCE_DIR"), models.at(cell.tower), cell.strategy, cell.augmentation, cell.samples);
  write_file_atomic(run.config_file(), config);
  std::string metrics;
  for (int i = 1; i <= lines; ++i) {
    const double share = static_cast<double>(i) / lines, seen = std::round(share * cell.samples);
    metrics += Json{{"step", static_cast<int>(1000 * share)},
                    {"samples_seen", static_cast<std::int64_t>(seen)},
                    {"epoch", seen / cell.set},
                    {"time_s", 3600 * share},
                    {"loss", 8 - 5 * share * accuracy(cell)},
                    {"logit_scale", 14.3 + 80 * share},
                    {"lr", 1e-3 * (1 - share)},
                    {"grad_norm", 1 + 0.1 * std::sin(i)},
                    {"samples_per_s", 1000 + i % 7},
                    {"data_wait_share", 0.01},
                    {"comm_wait_share", 0.02}}
                   .dump() +
               "\n";
  }
  write_file_atomic(run.metrics_file(), metrics);
  Json results = Json::array();
  for (const Result& result : results_of(cell, tasks)) {
    results.push_back({{"dataset", result.dataset},
                       {"model", cell.tower},
                       {"pretrained", cell.name()},
                       {"task", result.task},
                       {"metrics", result.metrics},
                       {"language", "en"},
                       {"run", cell.name()},
                       {"step", result.step},
                       {"samples_seen", result.samples_seen},
                       {"n", result.n},
                       {"classes", result.classes},
                       {"chance", *result.chance},
                       {"variant", result.variant},
                       {"predictions", Json::array()}});
  }
  write_file_atomic(run.results_file(), results.dump());
}

}  // namespace clip_hpc::synthetic
