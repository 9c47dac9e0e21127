// A study's folder on disk, and what it says about its cells.
//   plan.json  cells.txt (line N: task N of the job arrays)  eval.words  probe.words
//   cells/<name>/{config.cfg, origin, run/, train.json, eval.json, probe.json, *.log, history.log, lease}
//   subsets/<name>.h5  jobs/{prepare.sh, submit_*.sh}  log/
// Written by clip_study; states by jobs/study_cell.sh, which holds the lease.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/run/run_folder.hpp"
#include "clip_hpc/study/plan.hpp"

namespace clip_hpc {

struct StudyFolder {
  std::filesystem::path path;

  std::filesystem::path plan_file() const { return path / "plan.json"; }
  std::filesystem::path cells_file() const { return path / "cells.txt"; }
  std::filesystem::path cell(const std::string& name) const { return path / "cells" / name; }
  std::filesystem::path state_file(const std::string& name, const std::string& stage) const;
  std::filesystem::path lease(const std::string& name) const { return cell(name) / "lease"; }  // base/lease.hpp
  RunFolder run(const std::string& name) const { return RunFolder{cell(name) / "run"}; }
  // Of a cell that forks: the checkpoint that it begins from, relative to the study's folder.
  std::filesystem::path origin_file(const std::string& name) const { return cell(name) / "origin"; }
  std::filesystem::path subset_file(const std::string& name) const { return path / "subsets" / (name + ".h5"); }
  std::filesystem::path prepare_script() const { return path / "jobs" / "prepare.sh"; }
};

// Writes what the plan asks for. Lines of cells.txt are only ever added. Throws input when a cell that has begun would
// get another configuration.
void write_study(const StudyFolder& study, const Plan& plan);

std::vector<std::string> read_cell_lines(const StudyFolder& study);  // cells.txt

// The planned cells as plan.json has them: what submit, status and collect need.
struct PlannedCell {
  std::string name;
  std::string size_class;
  std::string not_yet;
  std::int64_t samples = 0;
  int task = 0;            // line of cells.txt, from 1
  std::string trunk = {};  // the cell that it forks from, or none
};
struct PlannedStudy {
  std::string name;
  std::vector<std::string> stages;  // train, then eval and probe where the grid has them
  std::vector<SizeClass> classes;
  std::vector<PlannedCell> cells;
  std::int64_t attempts = 3;
  Json json;
};
PlannedStudy read_study(const StudyFolder& study);  // throws input when there is none

enum class StageState { missing, queued, running, lost, stopped, failed, given_up, done };
const char* name_of(StageState state);

struct StageStatus {
  StageState state = StageState::missing;
  std::int64_t attempts = 0;
  int exit_code = 0;
  std::string job;
  std::string host;
  std::string reason;   // of a failure: the last error in the log
  double progress = 0;  // 0..1, running
  double eta_s = -1;    // running; below 0: unknown
  double samples_per_s = 0;
};

StageStatus read_stage(const StudyFolder& study, const PlannedCell& cell, const std::string& stage);

std::string last_error_in(const std::filesystem::path& log);  // empty when there is none

}  // namespace clip_hpc
