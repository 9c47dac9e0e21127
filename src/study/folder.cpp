#include "clip_hpc/study/folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/lease.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/study/plan_table.hpp"

namespace clip_hpc {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {  // none where there is no file
  std::error_code none;
  return std::filesystem::exists(file, none) ? split_lines(read_text_file(file)) : std::vector<std::string>{};
}

std::string config_text(const StudyFolder& study, const Cell& cell) {
  Settings settings = cell.settings;
  settings["run.name"] = {cell.name};
  settings["run.dir"] = {study.cell(cell.name).native()};
  if (cell.subset) settings["data.subset"] = {study.subset_file(cell.subset->name).native()};
  return "# Written by clip_study out of the grid.\n" + to_ini(settings);
}

bool has_begun(const StudyFolder& study, const std::string& cell) {
  return std::filesystem::exists(study.state_file(cell, "train")) || study.run(cell).exists();
}

// The first line of one that the other lacks.
std::string line_of_one(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  const auto found = std::ranges::find_if(one, [&](const std::string& line) {
    return !line.starts_with('[') && std::ranges::find(other, line) == other.end();
  });
  return found == one.end() ? "" : *found;
}

// Asked of all cells before one of them is written.
void check_cell(const StudyFolder& study, const Cell& cell) {
  const std::filesystem::path file = study.cell(cell.name) / "config.cfg";
  if (!has_begun(study, cell.name) || !std::filesystem::exists(file)) return;
  const std::vector<std::string> before = lines_of(file), now = split_lines(config_text(study, cell));
  if (before == now) return;
  throw input_error(
      "{} has begun with another configuration (\"{}\", now \"{}\"): take another --study or another label, or remove "
      "{} "
      "to train it anew",
      cell.name, line_of_one(before, now), line_of_one(now, before), study.cell(cell.name).native());
}

void write_cell(const StudyFolder& study, const Cell& cell) {
  const std::filesystem::path file = study.cell(cell.name) / "config.cfg";
  std::filesystem::create_directories(file.parent_path());
  write_file_atomic(file, config_text(study, cell));
}

void write_origin(const StudyFolder& study, const Cell& cell) {
  if (!cell.fork) {
    std::error_code none;
    std::filesystem::remove(study.origin_file(cell.name), none);
    return;
  }
  const std::filesystem::path from = study.run(cell.fork->trunk).checkpoint_path(cell.fork->step);
  write_file_atomic(study.origin_file(cell.name), from.lexically_relative(study.path).native() + "\n");
}

std::string quoted(const std::string& text) {
  if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/@=:,") ==
          std::string::npos &&
      !text.empty()) {
    return text;
  }
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string prepare_text(const StudyFolder& study, const Plan& plan) {
  std::string text = R"sh(#!/usr/bin/env bash
# What the cells of this study need before they start. Written by clip_study; made once, safe to run again. Start it in the
# project folder.
set -euo pipefail
source "${CLIP_HPC_ROOT:-$PWD}/jobs/env.sh"

# make PATH COMMAND...: COMMAND writes PATH.part, which becomes PATH when it has succeeded.
make() {
  local path=$1
  shift
  if [ -e "$path" ]; then return; fi
  echo "making $path"
  rm -rf "$path.part"
  mkdir -p "$(dirname "$path")"
  "$@"
  mv "$path.part" "$path"
}
)sh";
  for (const PrepareStep& step : plan.grid.prepare) {
    std::string command = step.command;
    for (auto at = command.find("{}"); at != std::string::npos; at = command.find("{}")) {
      command.replace(at, 2, quoted(step.path + ".part"));
    }
    text += fmt::format("make {} {}\n", quoted(step.path), command);
  }
  for (const Subset& subset : plan.subsets) {
    const bool is_wanted = std::ranges::any_of(plan.cells, [&](const Cell& cell) {
      return cell.not_yet.empty() && cell.subset && cell.subset->name == subset.name;
    });
    if (!is_wanted) continue;
    const std::string file = study.subset_file(subset.name).native();
    text += fmt::format("make {} clip_hpc filter --data {}", quoted(file), quoted(subset.data));
    if (subset.fraction < 1) text += fmt::format(" --scores {} --keep {}", quoted(subset.scores), subset.fraction);
    if (subset.count > 0) text += fmt::format(" --count {}", subset.count);
    text += fmt::format(" --output {}\n", quoted(file + ".part"));
  }
  return text;
}

// The newest line of metrics.jsonl that is whole, without reading the file from its beginning.
MetricsLine newest_metrics(const std::filesystem::path& file) {
  std::error_code none;
  const auto size = std::filesystem::file_size(file, none);
  if (none || size == 0) return {};
  const std::vector<MetricsLine> lines = read_metrics(file);
  return lines.empty() ? MetricsLine{} : lines.back();
}

// It is a folder below cells/.
void check_cell_name(const StudyFolder& study, const std::string& name) {
  if (name.find_first_not_of('.') != std::string::npos && name.find('/') == std::string::npos) return;
  throw storage_error(
      "{}: a cell is called \"{}\", which is no folder of its own; clip_study plan --study writes it again",
      study.plan_file().native(), name);
}

}  // namespace

std::filesystem::path StudyFolder::state_file(const std::string& name, const std::string& stage) const {
  return cell(name) / (stage + ".json");
}

std::vector<std::string> read_cell_lines(const StudyFolder& study) { return lines_of(study.cells_file()); }

void write_study(const StudyFolder& study, const Plan& plan) {
  for (const char* part : {"cells", "subsets", "jobs", "log"}) std::filesystem::create_directories(study.path / part);
  std::vector<std::string> lines = read_cell_lines(study);
  for (const Cell& cell : plan.cells) {
    if (cell.not_yet.empty()) check_cell(study, cell);
  }
  for (const Cell& cell : plan.cells) {
    if (!cell.not_yet.empty()) continue;  // its configuration would be refused
    write_cell(study, cell);
    write_origin(study, cell);
    if (std::ranges::find(lines, cell.name) == lines.end()) lines.push_back(cell.name);
  }
  write_file_atomic(study.cells_file(), fmt::format("{}\n", fmt::join(lines, "\n")));
  for (const Stage& stage : plan.grid.stages)
    write_file_atomic(study.path / (stage.name + ".words"), stage.words + "\n");
  write_file_atomic(study.prepare_script(), prepare_text(study, plan));
  write_json_file(study.plan_file(), plan_json(plan));
}

PlannedStudy read_study(const StudyFolder& study) {
  if (!std::filesystem::exists(study.plan_file())) {
    throw input_error("{} is no study (it has no plan.json): clip_study submit makes one", study.path.native());
  }
  PlannedStudy planned;
  planned.json = read_json_file(study.plan_file());
  const std::vector<std::string> lines = read_cell_lines(study);
  try {
    planned.name = planned.json.at("study").get<std::string>();
    planned.json.at("axes").get<std::vector<std::string>>();  // a table has a column for each
    planned.attempts = planned.json.value("attempts", planned.attempts);
    planned.stages = planned.json.at("stages").get<std::vector<std::string>>();
    for (const Json& one : planned.json.at("classes")) {
      SizeClass size;
      size.name = one.at("name").get<std::string>();
      size.nodes = one.at("nodes").get<std::int64_t>();
      size.ranks_per_node = one.at("ranks_per_node").get<std::int64_t>();
      size.cpus_per_rank = one.at("cpus_per_rank").get<std::int64_t>();
      size.time = one.at("time").get<std::string>();
      size.limit = one.at("limit").get<std::int64_t>();
      planned.classes.push_back(size);
    }
    for (const Json& one : planned.json.at("cells")) {
      PlannedCell cell;
      cell.name = one.at("name").get<std::string>();
      check_cell_name(study, cell.name);
      cell.size_class = one.at("class").get<std::string>();
      cell.not_yet = one.at("not_yet").get<std::string>();
      cell.samples = one.at("samples").get<std::int64_t>();
      if (const auto fork = one.find("fork"); fork != one.end() && !fork->is_null()) {
        cell.trunk = fork->at("trunk").get<std::string>();
        check_cell_name(study, cell.trunk);
      }
      cell.task = static_cast<int>(std::ranges::find(lines, cell.name) - lines.begin()) + 1;
      planned.cells.push_back(cell);
    }
  } catch (const Json::exception& problem) {
    throw storage_error("{}: {}; clip_study plan --study writes it again", study.plan_file().native(), problem.what());
  }
  return planned;
}

const char* name_of(StageState state) {
  switch (state) {
    case StageState::missing:
      return "missing";
    case StageState::queued:
      return "queued";
    case StageState::running:
      return "running";
    case StageState::lost:
      return "lost";
    case StageState::stopped:
      return "stopped";
    case StageState::failed:
      return "failed";
    case StageState::given_up:
      return "given up";
    case StageState::done:
      return "done";
  }
  return "unknown";
}

std::string last_error_in(const std::filesystem::path& log) {
  // The program's own last word; where it had none, what the launcher or the shell said of its end.
  std::string own, others;
  for (const std::string& line : lines_of(log)) {
    if (line.starts_with("clip_hpc: ")) own = line;
    for (const char* word : {"error:", "command not found", "No such file", "Out Of Memory", "on signal "}) {
      if (line.find(word) != std::string::npos) others = line;
    }
  }
  return own.empty() ? others : own;
}

StageStatus read_stage(const StudyFolder& study, const PlannedCell& cell, const std::string& stage) {
  StageStatus status;
  const std::filesystem::path file = study.state_file(cell.name, stage);
  if (!std::filesystem::exists(file)) return status;
  std::string state;
  bool is_final = false;
  try {
    const Json json = read_json_file(file);
    state = json.value("state", "");
    status.attempts = json.value("attempts", std::int64_t{0});
    status.exit_code = json.contains("exit_code") && json["exit_code"].is_number() ? json["exit_code"].get<int>() : 0;
    status.job = json.value("job", "");
    status.host = json.value("host", "");
    is_final = json.value("final", false);
  } catch (const std::exception&) {  // it costs this cell, and no other
    status.state = StageState::given_up;
    status.reason = fmt::format("{} cannot be read: remove it to run the stage again", file.native());
    return status;
  }
  if (state == "done") {
    status.state = StageState::done;
  } else if (state == "stopped") {
    status.state = StageState::stopped;
  } else if (state == "failed") {
    status.state = is_final ? StageState::given_up : StageState::failed;
    status.reason = last_error_in(study.cell(cell.name) / (stage + ".log"));
    if (status.reason.empty()) status.reason = fmt::format("exit code {}", status.exit_code);
  } else {
    // Its lease says whether somebody still runs it.
    const LeaseHolder runner = read_lease(study.lease(cell.name));
    const bool is_alive = runner.pid != 0 && !is_dead(runner);
    status.state = is_alive ? StageState::running : StageState::lost;
  }
  if (stage == "train" && (status.state == StageState::running || status.state == StageState::stopped ||
                           status.state == StageState::lost)) {
    const MetricsLine line = newest_metrics(study.run(cell.name).metrics_file());
    if (cell.samples > 0) {
      status.progress = std::min(1.0, static_cast<double>(line.samples_seen) / static_cast<double>(cell.samples));
    }
    if (status.state == StageState::running && line.samples_per_s > 0) {
      status.samples_per_s = line.samples_per_s;
      status.eta_s =
          static_cast<double>(std::max<std::int64_t>(0, cell.samples - line.samples_seen)) / line.samples_per_s;
    }
  }
  return status;
}

}  // namespace clip_hpc
