#include "clip_hpc/study/collect.hpp"

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/study/energy.hpp"

namespace clip_hpc {
namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

Json json_of(const Result& result) {
  Json json = {{"dataset", result.dataset},           {"task", result.task}, {"step", result.step},
               {"samples_seen", result.samples_seen}, {"n", result.n},       {"metrics", result.metrics}};
  if (!result.variant.empty()) json["variant"] = result.variant;
  if (!result.label.empty()) json["label"] = result.label;
  if (!result.view.empty()) json["view"] = result.view;
  if (!result.train_data.empty()) json["train_data"] = result.train_data;
  if (result.classes > 0) json["classes"] = result.classes;
  if (result.chance) json["chance"] = *result.chance;
  return json;
}

StudyTable table_of(const StudyFolder& study, const PlannedStudy& planned) {
  StudyTable table;
  table.json = {
      {"schema_version", 1}, {"study", planned.name}, {"axes", planned.json.at("axes")}, {"cells", Json::array()}};
  table.csv = "cell,grid";
  for (const Json& axis : planned.json.at("axes")) table.csv += "," + axis.get<std::string>();
  table.csv +=
      ",state,set_samples,fraction,samples,samples_seen,macs,total_macs,total_flops,gpu_hours,measured_gpu_hours,"
      "energy_j,run,step,dataset,label,task,variant,metric,value,n,chance\n";
  std::vector<std::string> all_jobs;
  for (const PlannedCell& cell : planned.cells) {
    const std::vector<std::string> jobs = training_jobs(study, cell.name);
    all_jobs.insert(all_jobs.end(), jobs.begin(), jobs.end());
  }
  const std::map<std::string, double> energy = energy_of_jobs(all_jobs);
  for (std::size_t i = 0; i < planned.cells.size(); ++i) {
    const PlannedCell& cell = planned.cells[i];
    const Json& plan = planned.json.at("cells").at(i);
    const RunFolder run = study.run(cell.name);
    std::string state = cell.not_yet.empty() ? "unreadable" : "not yet";
    const double macs = plan.at("macs").get<double>(), samples = plan.at("samples").get<double>();
    std::vector<Result> results;
    std::int64_t samples_seen = 0;
    double measured_hours = 0;
    try {
      if (cell.not_yet.empty()) state = name_of(read_stage(study, cell, "train").state);
      results = read_run_results(run);
      tell_views_apart(results);
      if (std::filesystem::exists(run.metrics_file())) {
        const std::vector<MetricsLine> lines = read_metrics(run.metrics_file());
        if (!lines.empty()) samples_seen = lines.back().samples_seen;
        if (std::filesystem::exists(run.provenance_file())) {
          const std::vector<Provenance> starts = read_provenance(run.provenance_file());
          const double ranks = starts.empty() ? 1 : static_cast<double>(starts.back().world_size);
          measured_hours = training_time_s(lines) * ranks / 3600;
        }
      }
    } catch (const std::exception& problem) {  // Error, or JSON of another kind: the other cells stand
      table.broken.push_back(fmt::format("train of {}: {}", cell.name, problem.what()));
    }
    Json one = plan;
    one["state"] = state;
    one["run"] = run.path.native();
    one["samples_seen"] = samples_seen;
    one["total_macs"] = macs * samples;
    one["total_flops"] = 6 * macs * samples;
    one["measured_gpu_hours"] = measured_hours;  // rank hours where there is no GPU
    double energy_j = 0;
    for (const std::string& job : training_jobs(study, cell.name)) {
      if (const auto found = energy.find(job); found != energy.end()) energy_j += found->second;
    }
    one["energy_j"] = energy_j > 0 ? Json(energy_j) : Json();  // null: Slurm does not tell
    one["results"] = Json::array();
    for (const Result& result : results) one["results"].push_back(json_of(result));
    table.json["cells"].push_back(std::move(one));

    for (const Json& point : plan.at("points")) {
      std::string head = fmt::format("{},{}", cell.name, point.at("grid").get<std::string>());
      for (const auto& [axis, label] : point.at("labels").items()) head += "," + csv_field(label.get<std::string>());
      head += fmt::format(",{},{},{},{},{},{},{},{},{},{},{},{}", state, plan.at("set_samples").get<std::int64_t>(),
                          plan.at("fraction").get<double>(), plan.at("samples").get<std::int64_t>(), samples_seen, macs,
                          macs * samples, 6 * macs * samples, plan.at("gpu_hours").get<double>(), measured_hours,
                          energy_j > 0 ? fmt::format("{}", energy_j) : "", csv_field(run.path.native()));
      for (const Result& result : results) {
        for (const auto& [metric, value] : result.metrics) {
          table.csv += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", head, result.step, csv_field(result.dataset),
                                   csv_field(result.label), result.task, csv_field(result.variant), metric, value,
                                   result.n, result.chance ? fmt::format("{}", *result.chance) : "");
        }
      }
    }
  }
  return table;
}

}  // namespace

StudyTable collect_study(const StudyFolder& study) {
  const PlannedStudy planned = read_study(study);
  try {
    return table_of(study, planned);
  } catch (const Json::exception& problem) {
    throw storage_error("{}: {}; clip_study plan --study writes it again", study.plan_file().native(), problem.what());
  }
}

}  // namespace clip_hpc
