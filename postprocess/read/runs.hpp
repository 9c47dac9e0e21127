// All that the report knows of a run: its files, read once, and what could not be read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

struct RunRecord {
  RunFolder folder;
  std::string name;    // its folder, with as many parents as it takes to be unique in the report
  std::string config;  // config.cfg as it stands
  std::vector<MetricsLine> metrics;
  std::vector<Result> results;
  std::vector<Provenance> starts;
  std::vector<std::int64_t> checkpoint_steps;
  std::vector<std::string> missing;  // "no evaluation yet (results.json)": what the report cannot show, and why
  std::vector<std::string> broken;   // messages of files that are there and cannot be read
};

// One dataset (and task, and label) of a run: its evaluations by step, and the best of them.
struct Track {
  std::string dataset;
  std::string task;
  std::string label;                   // with the variant
  std::string metric;                  // main_metric
  std::vector<const Result*> results;  // ascending step; point into the RunRecord
  const Result* best = nullptr;        // greatest value of the metric; of equals the first
  double value(const Result& result) const;
};

std::vector<RunRecord> load_runs(const std::vector<std::filesystem::path>& roots);  // throws input
// Run folders of known names (those that are there), then those of `roots` that are none of them.
struct NamedRun {
  std::string name;
  std::filesystem::path folder;
};
std::vector<RunRecord> load_runs(const std::vector<NamedRun>& named, const std::vector<std::filesystem::path>& roots);

std::vector<Track> tracks_of(const RunRecord& run);                // in the order of results.json
std::vector<Track> tracks_of(const std::vector<Result>& results);  // point into it

double median_of(const std::vector<MetricsLine>& lines, double MetricsLine::*member);  // of what was measured
double last_of(const std::vector<MetricsLine>& lines, double MetricsLine::*member);    // last that was measured

}  // namespace clip_hpc
