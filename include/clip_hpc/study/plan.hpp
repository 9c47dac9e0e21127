// The cells of a grid: one a distinct configuration, with its name, cost and storage.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/study/grid.hpp"
#include "clip_hpc/study/rates.hpp"

namespace clip_hpc {

// A subset that several cells share; study/subsets/<name>.h5.
struct Subset {
  std::string name;        // 25M, top40, top40_25M
  std::string data;        // packed set
  std::int64_t count = 0;  // samples drawn; 0: all that the fraction leaves
  double fraction = 1;     // share with the best scores
  std::string scores;
  bool operator==(const Subset&) const = default;
};

// Where a cell stands in a block of the grid. A cell that several blocks ask for has several.
struct CellPoint {
  std::string block;
  std::vector<std::string> labels;
};

// A cell that begins from a checkpoint of a longer one: up to there the two are one run.
struct Fork {
  std::string trunk;
  std::int64_t step = 0, samples = 0;  // at the checkpoint
};

struct Cell {
  std::string name;
  std::vector<CellPoint> points;
  Settings settings;  // without data.subset, run.name and run.dir, which depend on the study's folder
  std::optional<Subset> subset;
  std::optional<Fork> fork = {};
  std::int64_t kept_for_forks = 0;  // checkpoints that others begin from
  std::string not_yet;              // why this build cannot train it; empty: it can
  std::string size_class;
  int line = 0;
  // Accounting.
  std::int64_t set_samples = 0;  // distinct samples
  std::int64_t samples = 0;      // seen in training
  double macs = 0;               // forward, of one pair, both towers
  double parameters = 0;
  double gpu_hours = 0;                                                      // 0: no rate known
  double storage_bytes = 0;                                                  // checkpoints
  double total_macs() const { return macs * static_cast<double>(samples); }  // of the model, a trunk's part included
  double total_flops() const { return 6 * total_macs(); }  // 2 a multiply-add, backward twice the forward
  std::int64_t own_samples() const { return fork ? samples - fork->samples : samples; }  // that its run trains
  double own_flops() const { return 6 * macs * static_cast<double>(own_samples()); }
};

struct Plan {
  Grid grid;
  std::vector<std::string> axes;
  std::vector<Cell> cells;
  std::vector<Subset> subsets;
  std::int64_t points = 0;         // before shared ones were joined
  std::vector<std::string> notes;  // what was assumed
  double subset_bytes = 0;
};

// What plan cannot know from the keys alone.
struct Abilities {
  bool filters_by_score = true;  // clip_hpc filter --keep
};

Plan make_plan(const Grid& grid, const RateTable& rates, const Abilities& abilities = {});

}  // namespace clip_hpc
