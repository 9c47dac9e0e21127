#include "postprocess/points/run_points.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/study/vit_cost.hpp"

namespace clip_hpc {
namespace {

using Keys = std::map<std::string, std::string>;  // "train.samples" -> its last value

Keys keys_of(const std::string& config) {
  Keys keys;
  std::istringstream in(config);
  std::string section;
  const auto trimmed = [](const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
  };
  for (std::string line; std::getline(in, line);) {
    line = trimmed(line);
    const auto equals = line.find('=');
    if (line.starts_with('[') && line.ends_with(']')) {
      section = line.substr(1, line.size() - 2);
    } else if (equals != std::string::npos && !line.starts_with('#')) {
      keys[section + "." + trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
    }
  }
  return keys;
}

std::string value_of(const Keys& keys, const std::string& name, const std::string& otherwise = "") {
  const auto found = keys.find(name);
  return found == keys.end() ? otherwise : found->second;
}

double number_of(const Keys& keys, const std::string& name) { return std::atof(value_of(keys, name, "0").c_str()); }

std::string tower_of(const Keys& keys) {
  std::string name = std::filesystem::path(value_of(keys, "model.config")).stem().string();
  if (name.ends_with("-paper")) name.resize(name.size() - 6);
  return name.empty() ? "model" : name;
}

// clip_study calls the best 20 % of the pairs top20, and 10M of them top20_10M.
double quality_of(const Keys& keys) {
  const std::string name = std::filesystem::path(value_of(keys, "data.subset")).stem().string();
  const double percent = name.starts_with("top") ? std::atof(name.c_str() + 3) : 0;
  return percent > 0 && percent < 100 ? percent / 100 : 1;
}

// 0 where the model's JSON is not here.
double gmacs_of(const Keys& keys) {
  try {
    const ModelConfig model = read_model_config(value_of(keys, "model.config"));
    std::int64_t kept = model.vision.patches();
    if (value_of(keys, "strategy.name") == "flip") {
      const double share = 1 - number_of(keys, "strategy.mask_ratio");
      kept = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(kept) * share));
    }
    return forward_macs(model, kept, model.text.context_length) / 1e9;
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace

std::vector<StudyMeasure> measures_of_runs(const std::vector<RunRecord>& runs) {
  std::vector<Keys> configs;
  std::set<std::string> augmentations;
  for (const RunRecord& run : runs) {
    configs.push_back(keys_of(run.config));
    augmentations.insert(value_of(configs.back(), "strategy.augmentation"));
  }
  std::map<std::string, double> gmacs;  // by what it depends on: JSON files are read once
  std::map<std::string, StudyMeasure> by_name;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunRecord& run = runs[i];
    const Keys& keys = configs[i];
    if (keys.empty() || run.metrics.empty() || run.results.empty()) continue;
    const MetricsLine& last = run.metrics.back();
    if (!(last.epoch > 0)) continue;
    StudyPoint point;
    point.tower = tower_of(keys);
    // What all runs share tells none of them apart.
    const std::string augmentation = augmentations.size() > 1 ? value_of(keys, "strategy.augmentation") : "";
    point.strategy = strategy_name(value_of(keys, "strategy.name", "clip"), augmentation);
    point.quality = quality_of(keys);
    point.set = std::round(static_cast<double>(last.samples_seen) / last.epoch);
    const std::string cost =
        fmt::format("{}|{}|{}", value_of(keys, "model.config"), point.strategy, value_of(keys, "strategy.mask_ratio"));
    if (!gmacs.contains(cost)) gmacs[cost] = gmacs_of(keys);
    point.gmacs = gmacs[cost];
    const double ranks = run.starts.empty() ? 1 : static_cast<double>(run.starts.back().world_size);
    point.gpu_s_per_sample = training_time_s(run.metrics) * ranks / static_cast<double>(last.samples_seen);
    const double asked = number_of(keys, "train.samples"),
                 planned = asked > 0 ? asked : number_of(keys, "train.epochs") * point.set;
    std::int64_t newest = 0;
    for (const Result& result : run.results) newest = std::max(newest, result.step);
    for (const Result& result : run.results) {
      if (result.step != newest || static_cast<double>(result.samples_seen) < 0.95 * planned) continue;
      point.samples = static_cast<double>(result.samples_seen);
      add_scores(by_name, point, run.name,
                 {result.dataset, result.task, result.variant, result.label, result.metrics, result.chance});
    }
  }
  return over_seeds(std::move(by_name));
}

}  // namespace clip_hpc
