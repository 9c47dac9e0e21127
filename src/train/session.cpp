#include "clip_hpc/train/session.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/data/packed/subset.hpp"

namespace clip_hpc {

TrainingData open_training_data(const DataOptions& options) {
  if (options.train.empty()) throw input_error("data.train is empty: name a packed set (clip_hpc pack makes one)");
  TrainingData data;
  for (const std::string& text : options.train) {
    const WeightedPath weighted = parse_weighted_path(text);
    data.sets.push_back(std::make_shared<PackedSet>(weighted.path));
    data.weights.push_back(weighted.weight);
    data.sets.back()->require_captions("training");
    if (data.sets.back()->info().min_captions == 0) {
      log_warn("{}: some samples have no caption, and are trained with an empty one", weighted.path.native());
    }
  }
  if (!options.subset.empty()) {
    if (data.sets.size() != 1) throw input_error("data.subset needs exactly one data.train");
    data.subset = read_subset(options.subset, *data.sets[0]);
  }
  if (!options.teacher.empty() && options.teacher.size() != data.sets.size()) {
    throw input_error("data.teacher names {} files for {} training sets: give one for each, in their order",
                      options.teacher.size(), data.sets.size());
  }
  for (std::size_t i = 0; i < options.teacher.size(); ++i) {
    data.teachers.push_back(std::make_shared<StoredFeatures>(options.teacher[i], *data.sets[i]));
    const StoredFeatures &first = *data.teachers[0], &own = *data.teachers[i];
    if (own.width() != first.width() || own.scale() != first.scale()) {
      throw input_error(
          "data.teacher: {} and {} are of different models: {} and {} numbers a feature, scales {} and {}: use one "
          "teacher",
          options.teacher[0], options.teacher[i], first.width(), own.width(), first.scale(), own.scale());
    }
  }
  for (std::size_t i = 0; i < data.sets.size(); ++i) {
    const std::uint64_t count = data.subset.empty() ? data.sets[i]->count() : data.subset.size();
    data.distinct_samples += count;
    data.epoch_samples += count * static_cast<std::uint64_t>(data.weights[i]);
  }
  return data;
}

}  // namespace clip_hpc
