#include "postprocess/read/labels.hpp"

#include <algorithm>
#include <array>

namespace clip_hpc {
namespace {

constexpr std::array kTowerAxes{"tower", "model.config"};
constexpr std::array kStrategyAxes{"strategy", "strategy.name"};
constexpr std::array kAugmentationAxes{"aug", "augmentation", "strategy.augmentation"};
constexpr std::array kRunAxes{"data",          "size",           "count",  "study.count",  "quality",
                              "fraction",      "study.fraction", "epochs", "train.epochs", "samples",
                              "train.samples", "length",         "mode",   "seed",         "run.seed"};

template <class List>
bool is_one_of(const List& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

}  // namespace

std::string strategy_name(const std::string& strategy, const std::string& augmentation, const std::string& others) {
  std::string name = strategy;
  if (!augmentation.empty() && augmentation != "none" && augmentation != "no") {
    name += (name.empty() ? "" : "+") + augmentation;
  }
  if (!others.empty()) name += (name.empty() ? "" : " ") + others;
  return name.empty() ? "clip" : name;
}

std::string tower_of(const Labels& labels) {
  const auto found = std::ranges::find_if(labels, [](const auto& one) { return is_one_of(kTowerAxes, one.first); });
  return found == labels.end() ? "model" : found->second;
}

std::string strategy_of(const Labels& labels) {
  std::string strategy, augmentation, others;
  for (const auto& [axis, label] : labels) {
    if (is_one_of(kStrategyAxes, axis)) {
      strategy = label;
    } else if (is_one_of(kAugmentationAxes, axis)) {
      augmentation = label;
    } else if (!is_one_of(kTowerAxes, axis) && !is_one_of(kRunAxes, axis)) {
      others += (others.empty() ? "" : " ") + label;
    }
  }
  return strategy_name(strategy, augmentation, others);
}

}  // namespace clip_hpc
