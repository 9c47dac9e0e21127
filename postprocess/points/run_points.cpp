#include "postprocess/points/run_points.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/study/cost.hpp"
#include "postprocess/read/entries.hpp"

namespace clip_hpc {
namespace {

using Keys = Config;

Keys keys_of(const RunRecord& run) {
  try {
    return read_config(run.config);
  } catch (const Error&) {  // the page says so elsewhere
    return {};
  }
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

// What the run wrote down. Older runs did not: then of the model that their configuration names, as far as it is here;
// else 0.
class RunCosts {
 public:
  double gmacs_of(const RunRecord& run, const Keys& keys) {
    for (auto start = run.starts.rbegin(); start != run.starts.rend(); ++start) {
      if (start->cost) return start->cost->macs() / 1e9;
    }
    const std::string model = value_of(keys, "model.config");
    const auto [found, is_new] = models_.try_emplace(model);
    if (is_new) found->second = cost_of(model);
    if (!found->second) return 0;
    const ModelCost& cost = *found->second;
    const std::int64_t kept =
        kept_patches(cost, value_of(keys, "strategy.name"), number_of(keys, "strategy.mask_ratio"));
    return cost.macs(kept, cost.context) / 1e9;
  }

 private:
  static std::optional<ModelCost> cost_of(const std::string& model) {
    try {
      return find_cost(model);
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  std::map<std::string, std::optional<ModelCost>> models_;  // by file: each is looked up once
};

}  // namespace

std::vector<StudyMeasure> measures_of_runs(const std::vector<RunRecord>& runs) {
  std::vector<Keys> configs;
  std::set<std::string> augmentations;
  for (const RunRecord& run : runs) {
    configs.push_back(keys_of(run));
    augmentations.insert(value_of(configs.back(), "strategy.augmentation"));
  }
  RunCosts costs;
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
    point.gmacs = costs.gmacs_of(run, keys);
    const double ranks = run.starts.empty() ? 1 : static_cast<double>(run.starts.back().world_size);
    // A run that began from another one's checkpoint has the time of its own part; its first step has a line.
    const MetricsLine& first = run.metrics.front();
    const bool is_branch = !run.starts.empty() && !run.starts.front().branch_of.empty() && first.step > 0;
    const double before = is_branch ? static_cast<double>(first.samples_seen) * static_cast<double>(first.step - 1) /
                                          static_cast<double>(first.step)
                                    : 0;
    const double own = static_cast<double>(last.samples_seen) - before;
    if (own > 0) point.gpu_s_per_sample = training_time_s(run.metrics) * ranks / own;
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
