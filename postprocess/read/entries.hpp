// The rows of a report: each cell of the study with its run, if it has begun, then the runs that belong to no cell.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "postprocess/read/headline.hpp"
#include "postprocess/read/runs.hpp"
#include "postprocess/read/study_cells.hpp"

namespace clip_hpc {

// Up to so many runs each has its card, its curves and its pictures; of more a choice has (drawn_runs).
inline constexpr std::size_t kFewRuns = 12;
inline constexpr std::size_t kDrawnRuns = 8;

using Config = std::map<std::string, std::string>;  // section.key -> value; several values of a key: one a line

struct Entry {
  std::string name;
  const StudyCell* cell = nullptr;
  const RunRecord* run = nullptr;
  Config config;
  std::string tower, strategy;
  std::vector<Track> tracks;
  std::string series() const { return strategy.empty() ? tower : tower + ", " + strategy; }
  std::string state() const { return cell == nullptr ? "" : cell->state; }
  double samples_seen() const;
  double measured_hours() const;  // ranks times training time
};

// Entries point into both. A configuration that cannot be read is named in `broken`.
std::vector<Entry> entries_of(const std::vector<RunRecord>& runs, const StudyView& study,
                              std::vector<std::string>& broken);

Config read_config(const std::string& text);  // throws storage

// The runs that figures and pictures show: all of a few, else the best of each series, kDrawnRuns at most, then the
// next best. Best by the measure that most runs have; without one, the first.
std::vector<RunRecord> drawn_runs(const std::vector<RunRecord>& runs, std::span<const Entry> entries);

std::vector<Measure> measures_of(std::span<const Entry> entries, std::size_t most);
bool knows_gpus(std::span<const Entry> entries);         // some run wrote down memory of a device
const char* hours_word(std::span<const Entry> entries);  // "GPU hours", or "rank hours"

}  // namespace clip_hpc
