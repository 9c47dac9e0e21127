#include "postprocess/read/study_cells.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>
#include <sstream>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/study/collect.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

Result result_of(const Json& json) {
  Result result;
  result.dataset = json.at("dataset").get<std::string>();
  result.task = json.at("task").get<std::string>();
  result.step = json.at("step").get<std::int64_t>();
  result.samples_seen = json.at("samples_seen").get<std::int64_t>();
  result.n = json.value("n", std::int64_t{0});
  result.metrics = json.at("metrics").get<std::map<std::string, double>>();
  result.variant = json.value("variant", "");
  result.label = json.value("label", "");
  if (json.contains("chance")) result.chance = json.at("chance").get<double>();
  return result;
}

StudyCell cell_of(const Json& json) {
  StudyCell cell;
  cell.name = json.at("name").get<std::string>();
  cell.not_yet = json.value("not_yet", "");
  cell.state = json.at("state").get<std::string>();
  for (const Json& one : json.at("points")) {
    GridPoint point{one.at("grid").get<std::string>(), {}};
    for (const auto& [axis, label] : one.at("labels").items()) {
      point.labels.emplace_back(axis, label.get<std::string>());
    }
    cell.points.push_back(std::move(point));
  }
  if (!cell.points.empty()) {
    cell.tower = tower_of(cell.points.front().labels);
    cell.strategy = strategy_of(cell.points.front().labels);
  }
  cell.set_samples = json.at("set_samples").get<double>();
  cell.samples = json.at("samples").get<double>();
  if (const auto fork = json.find("fork"); fork != json.end() && fork->is_object()) {
    cell.shared_samples = fork->at("samples").get<double>();
  }
  cell.samples_seen = json.at("samples_seen").get<double>();
  cell.macs = json.at("macs").get<double>();
  cell.planned_hours = json.at("gpu_hours").get<double>();
  cell.measured_hours = json.at("measured_gpu_hours").get<double>();
  if (json.contains("energy_j") && json["energy_j"].is_number()) cell.energy_j = json["energy_j"].get<double>();
  for (const Json& one : json.at("results")) cell.results.push_back(result_of(one));
  cell.run = json.value("run", "");
  return cell;
}

StudyView view_of(Json table) {
  StudyView view;
  try {
    view.name = table.at("study").get<std::string>();
    view.axes = table.at("axes").get<std::vector<std::string>>();
    for (const Json& one : table.at("cells")) view.cells.push_back(cell_of(one));
  } catch (const Json::exception& problem) {
    throw storage_error("the table of the study is not one of clip_study collect: {}", problem.what());
  }
  for (StudyCell& cell : view.cells) cell.kind = kind_of(cell.state);
  view.table = std::move(table);
  return view;
}

StageNote note_of(const StudyFolder& study, const PlannedCell& cell, const std::string& stage,
                  std::vector<std::string>& broken) {
  StageNote note;
  note.stage = stage;
  try {
    const StageStatus status = read_stage(study, cell, stage);
    note.state = name_of(status.state);
    note.attempts = status.attempts;
    note.exit_code = status.exit_code;
    note.host = status.host;
    note.reason = status.reason;
    note.progress = status.progress;
    std::error_code none;
    if (fs::exists(study.state_file(cell.name, stage), none)) {
      const Json json = read_json_file(study.state_file(cell.name, stage));
      note.lost = json.value("lost", std::int64_t{0});
      note.ended = json.value("ended", "");
    }
    const fs::path history = study.cell(cell.name) / "history.log";
    if (fs::exists(history, none)) read_history(read_text_file(history), note);
  } catch (const std::exception& problem) {  // Error, or JSON of another kind
    note.state = "unreadable";
    note.reason = problem.what();
    broken.push_back(fmt::format("{} of {}: {}", stage, cell.name, problem.what()));
  }
  return note;
}

// What holds the cell up.
std::string state_of(const StudyCell& cell) {
  if (!cell.not_yet.empty()) return "not yet";
  for (const StageNote& note : cell.stages) {
    if (note.state == "done") continue;
    return note.stage == "train" ? note.state : note.stage + " " + note.state;
  }
  return "done";
}

StudyView read_folder(const StudyFolder& study) {
  StudyTable table = collect_study(study);
  StudyView view = view_of(std::move(table.json));
  const PlannedStudy planned = read_study(study);
  view.grid = planned.json.value("grid", "");
  view.stages = planned.stages;
  view.broken = std::move(table.broken);
  for (std::size_t i = 0; i < view.cells.size(); ++i) {
    StudyCell& cell = view.cells[i];
    for (const std::string& stage : planned.stages) {
      if (cell.not_yet.empty()) cell.stages.push_back(note_of(study, planned.cells[i], stage, view.broken));
    }
    cell.state = state_of(cell);
    cell.kind = kind_of(cell.state);
  }
  std::ranges::sort(view.broken);  // collect and the stages name the same file
  view.broken.erase(std::unique(view.broken.begin(), view.broken.end()), view.broken.end());
  return view;
}

double seconds_of(const std::string& utc) {  // 2026-11-23T14:17:10Z; NaN: no time
  std::tm time{};
  const char* end = ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  return end == nullptr ? kNoNumber : static_cast<double>(::timegm(&time));
}

}  // namespace

const char* name_of(StateKind kind) {
  constexpr std::array<const char*, kStateKinds> kNames{"done", "running", "stopped", "failed", "missing", "later"};
  return kNames[static_cast<std::size_t>(kind)];
}

StateKind kind_of(const std::string& state) {
  if (state == "done") return StateKind::done;
  if (state == "not yet") return StateKind::later;
  for (const char* word : {"failed", "given up", "unreadable"}) {
    if (state.ends_with(word)) return StateKind::failed;
  }
  for (const char* word : {"running", "queued"}) {
    if (state.ends_with(word)) return StateKind::running;
  }
  for (const char* word : {"stopped", "lost"}) {
    if (state.ends_with(word)) return StateKind::stopped;
  }
  return StateKind::missing;
}

std::string StudyCell::label_of(const std::string& axis) const {
  if (points.empty()) return "";
  for (const auto& [one, label] : points.front().labels) {
    if (one == axis) return label;
  }
  return "";
}

void read_history(const std::string& text, StageNote& note) {
  std::istringstream lines(text);
  double started_s = kNoNumber;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string time, stage, what;
    words >> time >> stage >> what;
    if (stage != note.stage) continue;
    if (what == "start") {
      ++note.starts;
      started_s = seconds_of(time);
    } else if (what == "end") {
      const double hours = (seconds_of(time) - started_s) / 3600;
      if (hours > 0) note.wall_hours += hours;  // false for NaN
      started_s = kNoNumber;
    }
  }
}

StudyView read_study_view(const fs::path& path) {
  std::error_code none;
  if (fs::is_directory(path, none)) return read_folder({fs::canonical(path)});
  return view_of(read_json_file(path));
}

}  // namespace clip_hpc
