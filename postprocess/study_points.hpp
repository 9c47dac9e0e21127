// What a study has measured, as points that laws are fitted to: one a (series, share of the data, set, samples seen),
// seeds averaged.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

struct StudyPoint {
  std::string tower;            // "ViT-B/32"
  std::string strategy;         // "clip", "clip_aug"; with the labels of other axes
  double quality = 1;           // share of the data that was kept, best pairs first
  double set = 0;               // distinct samples
  double samples = 0;           // seen
  double gmacs = 0;             // forward multiply-adds a sample, both towers, 1e9
  double gpu_s_per_sample = 0;  // measured; 0: not
  double error = 0;             // 0..1
  double spread = 0;            // half the range over seeds
  int runs = 1;
  double total_gmacs() const { return gmacs * samples; }
  double epochs() const { return samples / set; }
};

struct StudyMeasure {  // one thing that is measured on every run
  std::string name;    // "imagenet zeroshot_classification acc1"
  double chance_error = 1;
  std::vector<StudyPoint> points;
};

// From the table that clip_study collect writes (JSON). Axes named tower, data, size, count, quality, fraction, epochs,
// samples and seed are what they say; labels of all others make the strategy. Most frequent measure first. Throws
// storage, naming what the table lacks.
std::vector<StudyMeasure> measures_of(const Json& table);

// From CSV files with the columns of postprocess/paper/*.csv, a measure for each metric. Points that several files hold
// count once. `figures`: "8b", "9a"; none: all. Throws storage with file and line.
std::vector<StudyMeasure> read_curves(const std::filesystem::path& folder, std::span<const std::string> figures = {});

}  // namespace clip_hpc
