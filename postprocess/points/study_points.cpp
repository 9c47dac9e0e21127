#include "postprocess/points/study_points.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {
namespace {

std::vector<StudyPoint> joined(const std::vector<StudyPoint>& runs) {
  std::map<std::tuple<std::string, std::string, double, double, double>, std::vector<const StudyPoint*>> groups;
  for (const StudyPoint& run : runs) {
    groups[{run.tower, run.strategy, run.quality, run.set, run.samples}].push_back(&run);
  }
  std::vector<StudyPoint> points;
  for (const auto& [key, group] : groups) {
    StudyPoint point = *group.front();
    double sum = 0, least = point.error, most = point.error, cost_s = 0;
    for (const StudyPoint* run : group) {
      sum += run->error;
      cost_s += run->gpu_s_per_sample;
      least = std::min(least, run->error);
      most = std::max(most, run->error);
      point.errors.insert(run->errors.begin(), run->errors.end());
    }
    point.runs = static_cast<int>(group.size());
    point.error = sum / point.runs;
    point.gpu_s_per_sample = cost_s / point.runs;
    point.spread = 0.5 * (most - least);
    points.push_back(point);
  }
  return points;
}

struct CurveRow {
  std::string figure, metric;
  StudyPoint point;
};

template <class Take>
void read_rows(const std::filesystem::path& folder, const Take& take) {
  std::vector<std::filesystem::path> files;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
    if (entry.path().extension() == ".csv") files.push_back(entry.path());
  }
  if (files.empty()) throw storage_error("{} holds no CSV file of curves", folder.native());
  std::ranges::sort(files);
  for (const std::filesystem::path& file : files) {
    int number = 0;
    for (const std::string& line : split_lines(read_text_file(file))) {
      if (++number == 1) continue;  // names of the columns
      const std::vector<std::string_view> parts = split_text(line, ',');
      const std::vector<std::string> fields(parts.begin(), parts.end());
      if (fields.size() != 10) {
        throw storage_error("{}:{}: {} columns in place of 10", file.native(), number, fields.size());
      }
      std::array<double, 5> numbers{};
      for (std::size_t i = 0; i < 5; ++i) {
        char* end = nullptr;
        numbers[i] = std::strtod(fields[4 + i].c_str(), &end);
        if (end == fields[4 + i].c_str() || *end != '\0') {
          throw storage_error("{}:{}: \"{}\" is no number", file.native(), number, fields[4 + i]);
        }
      }
      CurveRow row{fields[0], fields[1], {}};
      row.point.tower = fields[2];
      row.point.strategy = fields[3];
      row.point.quality = numbers[0];
      row.point.set = numbers[1];
      row.point.samples = numbers[2];
      row.point.gmacs = numbers[3];
      row.point.error = numbers[4] / 100;
      row.point.confidence = fields[9] == "L" ? 'L' : 'M';
      take(row);
    }
  }
}

}  // namespace

void add_scores(std::map<std::string, StudyMeasure>& runs_by_measure, StudyPoint run, const std::string& run_name,
                const Scored& scored) {
  if (run.samples <= 0 || run.set <= 0) return;
  const std::string variant =
      scored.variant + (scored.variant.empty() || scored.label.empty() ? "" : " ") + scored.label;
  for (const auto& [metric, value] : scored.metrics) {
    StudyMeasure& measure = runs_by_measure[fmt::format("{} {}{} {}", scored.dataset, scored.task,
                                                        variant.empty() ? "" : " " + variant, metric)];
    if (measure.metric.empty()) measure.order = static_cast<int>(runs_by_measure.size());
    measure.dataset = scored.dataset;
    measure.task = scored.task;
    measure.variant = variant;
    measure.metric = metric;
    if (scored.chance && metric == "acc1") measure.chance_error = 1 - *scored.chance;
    run.error = 1 - value;
    run.errors = {{run_name, run.error}};
    measure.points.push_back(run);
  }
}

std::vector<StudyMeasure> over_seeds(std::map<std::string, StudyMeasure>&& runs_by_measure) {
  std::vector<StudyMeasure> measures;
  for (auto& [name, measure] : runs_by_measure) {
    measure.name = name;
    measure.points = joined(measure.points);
    measures.push_back(std::move(measure));
  }
  std::ranges::stable_sort(measures, [](const auto& a, const auto& b) { return a.points.size() > b.points.size(); });
  return measures;
}

std::vector<StudyMeasure> measures_of(const Json& table) {
  std::map<std::string, StudyMeasure> by_name;
  int number = 0;
  try {
    for (const Json& cell : table.at("cells")) {
      if (cell.at("results").empty() || cell.at("points").empty()) continue;
      StudyPoint run;
      Labels labels;
      for (const auto& [axis, value] : cell.at("points").at(0).at("labels").items()) {
        labels.emplace_back(axis, value.get<std::string>());
      }
      run.tower = tower_of(labels);
      run.strategy = strategy_of(labels);
      const std::string run_name = cell.value("name", fmt::format("run {}", ++number));
      run.quality = cell.at("fraction").get<double>();
      run.set = cell.at("set_samples").get<double>();
      run.gmacs = cell.at("macs").get<double>() / 1e9;
      // A fork's time is that of its own part.
      const auto fork = cell.find("fork");
      const double shared = fork != cell.end() && fork->is_object() ? fork->at("samples").get<double>() : 0;
      const double seen = cell.at("samples_seen").get<double>() - shared;
      if (seen > 0) run.gpu_s_per_sample = cell.at("measured_gpu_hours").get<double>() * 3600 / seen;
      std::int64_t last = 0;
      for (const Json& result : cell.at("results")) last = std::max(last, result.at("step").get<std::int64_t>());
      for (const Json& result : cell.at("results")) {
        if (result.at("step").get<std::int64_t>() != last) continue;  // of the finished run
        run.samples = result.at("samples_seen").get<double>();
        if (run.samples < 0.95 * cell.value("samples", 0.0)) continue;  // in the middle of its schedule
        Scored scored{result.at("dataset").get<std::string>(),
                      result.at("task").get<std::string>(),
                      result.value("variant", ""),
                      result.value("label", ""),
                      result.at("metrics"),
                      {}};
        if (result.contains("chance")) scored.chance = result["chance"].get<double>();
        add_scores(by_name, run, run_name, scored);
      }
    }
  } catch (const Json::exception& problem) {
    throw storage_error("the table of the study is not one of clip_study collect: {}", problem.what());
  }
  return over_seeds(std::move(by_name));
}

std::vector<StudyMeasure> read_curves(const std::filesystem::path& folder, std::span<const std::string> figures) {
  std::map<std::string, StudyMeasure> by_name;
  std::set<std::tuple<std::string, std::string, std::string, double, double, double>> known;
  read_rows(folder, [&](const CurveRow& row) {
    if (!figures.empty() && std::ranges::find(figures, row.figure) == figures.end()) return;
    const StudyPoint& p = row.point;
    if (!known.insert({row.metric, p.tower, p.strategy, p.quality, p.set, p.samples}).second) return;
    by_name[row.metric].points.push_back(p);
    by_name[row.metric].metric = row.metric;
  });
  return over_seeds(std::move(by_name));
}

std::map<std::string, std::vector<StudyPoint>> read_panels(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<StudyPoint>> panels;
  read_rows(folder, [&](const CurveRow& row) { panels[row.figure].push_back(row.point); });
  return panels;
}

}  // namespace clip_hpc
