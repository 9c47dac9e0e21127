// What a study has measured, as points that laws are fitted to: one a (series, share of the data, set, samples seen),
// seeds averaged.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "postprocess/read/labels.hpp"

namespace clip_hpc {

struct StudyPoint {
  std::string tower;            // "ViT-B/32"
  std::string strategy;         // "clip", "clip+stacked": with its augmentation, and the labels of other axes
  double quality = 1;           // share of the data that was kept, best pairs first
  double set = 0;               // distinct samples
  double samples = 0;           // seen
  double gmacs = 0;             // forward multiply-adds a sample, both towers, 1e9
  double gpu_s_per_sample = 0;  // measured; 0: not
  double error = 0;             // 0..1
  double spread = 0;            // half the range over seeds
  int runs = 1;
  std::map<std::string, double>
      errors;             // of each run: those of one run are told apart from those of others by its name
  char confidence = 'M';  // of curves: 'L', read off a marker that is partly hidden
  double total_gmacs() const { return gmacs * samples; }
  double epochs() const { return samples / set; }
};

struct StudyMeasure {                          // one thing that is measured on every run
  std::string name;                            // "imagenet zeroshot_classification acc1"
  std::string dataset, task, variant, metric;  // of results; of curves the metric alone
  int order = 0;                               // of its first appearance
  double chance_error = 1;
  std::vector<StudyPoint> points;
};

// What one evaluation of a run says.
struct Scored {
  std::string dataset, task, variant, label;
  std::map<std::string, double> metrics;
  std::optional<double> chance;
};
void add_scores(std::map<std::string, StudyMeasure>& runs_by_measure, StudyPoint run, const std::string& run_name,
                const Scored& scored);

// Runs that differ by nothing but the seed become one point each; most frequent measure first.
std::vector<StudyMeasure> over_seeds(std::map<std::string, StudyMeasure>&& runs_by_measure);

// From the table that clip_study collect writes (JSON). Axes named tower, data, size, count, quality, fraction, length,
// epochs, samples and seed are what they say; strategy and aug make the strategy, with the labels of all others. Runs
// that have not seen the samples of their plan are left out. Most frequent measure first. Throws storage, naming what
// the table lacks.
std::vector<StudyMeasure> measures_of(const Json& table);

// From CSV files with the columns of postprocess/paper/*.csv, a measure for each metric. Points that several files hold
// count once. `figures`: "8b", "9a"; none: all. Throws storage with file and line.
std::vector<StudyMeasure> read_curves(const std::filesystem::path& folder, std::span<const std::string> figures = {});

// The same files panel by panel ("8b"), nothing left out.
std::map<std::string, std::vector<StudyPoint>> read_panels(const std::filesystem::path& folder);

}  // namespace clip_hpc
