// A study as the report shows it: its cells with state, cost, results and run folder.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/run/results.hpp"
#include "postprocess/read/labels.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {

enum class StateKind { done, running, stopped, failed, missing, later };  // later: this build cannot train it
inline constexpr int kStateKinds = 6;
const char* name_of(StateKind kind);  // of a CSS class, and on the page

struct StageNote {  // one stage of a cell, out of its state file, log and history.log
  std::string stage;
  std::string state = "missing";
  std::int64_t attempts = 0;
  std::int64_t lost = 0;  // runners that died without a word
  int exit_code = 0;
  std::string host;
  std::string ended;
  std::string reason;   // of a failure: the last error in the log
  double progress = 0;  // 0..1, where it is under way
  std::int64_t starts = 0;
  double wall_hours = 0;  // between starts and their ends, failed attempts with them
  bool has_trouble() const { return attempts > 0 || lost > 0 || state == "unreadable" || state == "lost"; }
};

struct GridPoint {
  std::string grid;
  Labels labels;
};

struct StudyCell {
  std::string name;
  std::string state;  // of the first stage that is not done: "failed", "eval missing"; else "done"
  StateKind kind = StateKind::missing;
  std::string not_yet;
  std::vector<GridPoint> points;
  std::string tower, strategy;  // out of the labels
  double set_samples = 0;
  double samples = 0;         // planned
  double shared_samples = 0;  // of them, those of another cell's run that this one forks from
  double samples_seen = 0;
  double macs = 0;  // forward, of one pair, both towers
  double planned_hours = 0;
  double measured_hours = 0;
  double energy_j = kNoNumber;
  std::vector<Result> results;
  std::vector<StageNote> stages;  // none where only the table was read
  std::filesystem::path run;
  std::string label_of(const std::string& axis) const;  // empty: none
};

struct StudyView {
  std::string name;
  std::string grid;  // file
  std::vector<std::string> axes;
  std::vector<std::string> stages;
  std::vector<StudyCell> cells;
  std::vector<std::string> broken;  // what could not be read: costs that cell, not the report
  Json table;                       // as clip_study collect writes it
  bool empty() const { return cells.empty(); }
};

// A study's folder (plan.json in it), or the table.json of clip_study collect. Throws input and storage.
StudyView read_study_view(const std::filesystem::path& path);

StateKind kind_of(const std::string& state);

// Starts, and hours between starts and ends, of one stage out of the text of history.log.
void read_history(const std::string& text, StageNote& note);

}  // namespace clip_hpc
