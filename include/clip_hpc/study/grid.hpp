// A grid file: axes with their values, blocks that pick from them, rules. docs/study.md describes the format.
// Everything that was written wrongly ends in Error{input} with "FILE:LINE:".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/study/config_keys.hpp"

namespace clip_hpc {

// Keys of a grid that are no keys of clip_hpc: study.count (samples drawn from data.train), study.fraction (share with
// the best scores), study.cost (factor on the multiply-adds), study.gmacs and study.mparams (of a model whose JSON this
// build cannot read).
struct AxisValue {
  std::string label;
  Settings settings;
  int line = 0;
};

struct Axis {
  std::string name;
  std::vector<AxisValue> values;
  int line = 0;
};

// axis=label,label or axis!=label,label
struct Term {
  std::string axis;
  std::vector<std::string> labels;
  bool is_negated = false;
};

struct Rule {
  std::vector<Term> when;
  bool skips = false;  // else it overrides
  Settings settings;
  int line = 0;
};

struct PairedAxes {
  std::vector<std::string> axes;  // that advance together
  int line = 0;
};

struct GridBlock {
  std::string name;
  std::vector<std::pair<std::string, std::vector<std::string>>> picks;  // axis -> labels, in the order of the file
  std::vector<PairedAxes> pairs;
  std::vector<Rule> rules;
  int line = 0;
};

// Nodes and time of the cells up to so many GPU hours.
struct SizeClass {
  std::string name;
  double max_gpu_hours = 0;  // 0: no limit
  std::int64_t nodes = 1;
  std::int64_t ranks_per_node = 0;  // 0: GPUs per node of the site, else 1
  std::int64_t cpus_per_rank = 0;   // 0: as sbatch has it
  std::string time = "24:00:00";
  std::int64_t limit = 0;  // cells at once (%N of the array); 0: all
  int line = 0;
};

struct PrepareStep {
  std::string path;     // made when it does not exist
  std::string command;  // {} stands for a path beside it that is renamed to it at the end
  int line = 0;
};

// What is asked of a trained cell: stage "eval" or "probe", and the words of clip_hpc eval.
struct Stage {
  std::string name;
  std::string words;
  int line = 0;
};

struct Grid {
  std::filesystem::path file;
  std::string name;
  std::int64_t train_count = 0;  // samples of data.train; 0: its dataset.json says
  std::string scores;            // for study.fraction
  double tflops = 0;             // a GPU, with backward
  std::string rate_file;         // of clip_hpc bench step --json
  std::int64_t attempts = 3;
  bool fork_cooldowns = false;  // forks.hpp
  Settings settings;            // base files, then [set]
  int settings_line = 0;
  std::vector<Axis> axes;
  std::vector<GridBlock> blocks;
  std::vector<Rule> rules;
  std::vector<SizeClass> classes;
  std::vector<std::pair<std::string, std::string>> not_yet;  // axis, label
  std::vector<PrepareStep> prepare;
  std::vector<Stage> stages;
};

Grid read_grid(const std::filesystem::path& file);

// The length of a run is said in one way: epochs on top of samples, or the other way round, replaces it.
void lay_over(const Settings& layer, Settings& settings);

std::int64_t parse_count(const std::string& text);  // 25M, 3.4B, 10k, 128; -1 when it is none

}  // namespace clip_hpc
