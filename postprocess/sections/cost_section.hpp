// What a study was to cost and has cost: hours and multiply-adds by tower and strategy, by state, by stage.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "postprocess/read/entries.hpp"

namespace clip_hpc {

struct CostSum {
  int cells = 0;
  int done = 0;
  double planned_hours = 0;
  double measured_hours = 0;
  double planned_macs = 0;  // forward, both towers, times samples
  double macs = 0;          // of the samples that were seen
  double energy_j = 0;      // of the cells that measured it
  int forks = 0;            // cells that begin from another one's checkpoint
  double shared_macs = 0;   // theirs before it, which are in no other number of this sum
  int with_energy = 0;
  double planned_flops() const { return 6 * planned_macs; }  // 2 a multiply-add, backward twice the forward
  double flops() const { return 6 * macs; }
};

struct StageCost {
  std::string stage;
  int done = 0;
  std::int64_t starts = 0;
  std::int64_t failed = 0;  // attempts
  std::int64_t lost = 0;
  double wall_hours = 0;
};

struct RunsCost {
  CostSum whole;
  std::map<std::string, CostSum> by_series;  // "ViT-B/32, clip"
  std::map<StateKind, CostSum> by_state;     // of cells
  std::vector<StageCost> stages;
  double wasted_share() const;      // of the measured hours: cells that failed
  double unfinished_share() const;  // cells that are neither done nor failed
};

RunsCost cost_of(std::span<const Entry> entries, const StudyView& study);
std::string cost_section(const RunsCost& cost, const char* hours);  // HTML

}  // namespace clip_hpc
