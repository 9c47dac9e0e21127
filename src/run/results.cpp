#include "clip_hpc/run/results.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <system_error>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double number(const Json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

std::optional<double> optional_number(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return found->get<double>();
}

Json to_json(const Prediction& prediction) {
  Json scores = Json::array();
  for (const double score : prediction.scores) scores.push_back(number(score));
  return {{"picture", prediction.picture},
          {"truth", prediction.truth},
          {"names", prediction.names},
          {"scores", std::move(scores)}};
}

Json to_json(const Result& result) {
  Json metrics = Json::object();
  for (const auto& [name, value] : result.metrics) metrics[name] = number(value);
  Json json = {{"dataset", result.dataset},
               {"model", result.model},
               {"pretrained", result.pretrained},
               {"task", result.task},
               {"metrics", std::move(metrics)},
               {"language", result.language},
               {"run", result.run},
               {"step", result.step},
               {"samples_seen", result.samples_seen},
               {"n", result.n},
               {"classes", result.classes},
               {"chance", nullptr},
               {"baseline", nullptr},
               {"baseline_name", result.baseline_name},
               {"label", result.label}};
  if (result.chance) json["chance"] = number(*result.chance);
  if (result.baseline) json["baseline"] = number(*result.baseline);
  if (!result.view.empty()) json["view"] = result.view;
  if (!result.variant.empty()) json["variant"] = result.variant;
  if (!result.train_data.empty()) json["train_data"] = result.train_data;
  if (!result.hyper.empty()) {
    Json& hyper = json["hyper"] = Json::object();
    for (const auto& [name, value] : result.hyper) hyper[name] = number(value);
  }
  if (!result.predictions.empty()) {
    Json& all = json["predictions"] = Json::array();
    for (const Prediction& prediction : result.predictions) all.push_back(to_json(prediction));
  }
  return json;
}

Prediction prediction_from(const Json& json) {
  Prediction prediction;
  prediction.picture = json.at("picture").get<std::string>();
  prediction.truth = json.at("truth").get<std::string>();
  prediction.names = json.at("names").get<std::vector<std::string>>();
  for (const Json& score : json.at("scores")) prediction.scores.push_back(number(score));
  return prediction;
}

Result result_from(const Json& json) {
  Result result;
  result.dataset = json.at("dataset").get<std::string>();
  result.task = json.at("task").get<std::string>();
  for (const auto& [name, value] : json.at("metrics").items()) result.metrics[name] = number(value);
  result.model = json.value("model", "");
  result.pretrained = json.value("pretrained", "");
  result.language = json.value("language", "en");
  result.run = json.value("run", "");
  result.step = json.value("step", result.step);
  result.samples_seen = json.value("samples_seen", result.samples_seen);
  result.n = json.value("n", result.n);
  result.classes = json.value("classes", result.classes);
  result.chance = optional_number(json, "chance");
  result.baseline = optional_number(json, "baseline");
  result.baseline_name = json.value("baseline_name", "");
  result.label = json.value("label", "");
  result.view = json.value("view", "");
  result.variant = json.value("variant", "");
  result.train_data = json.value("train_data", "");
  if (const auto found = json.find("hyper"); found != json.end() && !found->is_null()) {
    for (const auto& [name, value] : found->items()) result.hyper[name] = number(value);
  }
  if (const auto found = json.find("predictions"); found != json.end() && !found->is_null()) {
    for (const Json& entry : *found) result.predictions.push_back(prediction_from(entry));
  }
  return result;
}

bool same_evaluation(const Json& json, const Result& result) {
  return json.is_object() && json.value("dataset", "") == result.dataset && json.value("task", "") == result.task &&
         json.value("step", std::int64_t{0}) == result.step && json.value("label", "") == result.label &&
         json.value("variant", "") == result.variant && same_view(json.value("view", ""), result.view);
}

}  // namespace

bool same_view(const std::string& a, const std::string& b) { return a.empty() || b.empty() || a == b; }

std::string main_metric(const Result& result) {
  const char* preferred = result.task == kTaskRetrieval ? "image_retrieval_recall@1" : "acc1";
  if (result.metrics.contains(preferred)) return preferred;
  return result.metrics.empty() ? "" : result.metrics.begin()->first;
}

std::vector<Result> read_results(const fs::path& file) {
  std::vector<Result> results;
  for (const Json& entry : read_json_array_file(file, "results")) {
    try {
      results.push_back(result_from(entry));
    } catch (const Json::exception& problem) {
      throw storage_error("{}: entry {} is not a result: {}", file.native(), results.size(), problem.what());
    }
  }
  return results;
}

std::vector<Result> read_run_results(const RunFolder& folder) {
  std::error_code ignored;
  std::vector<Result> results;
  if (fs::exists(folder.results_file(), ignored)) results = read_results(folder.results_file());
  const fs::path followed = folder.path / kFollowResults;
  if (!fs::exists(followed, ignored)) return results;
  const auto key = [](const Result& r) { return std::tie(r.dataset, r.task, r.step, r.label, r.variant); };
  for (Result& one : read_results(followed)) {
    const auto is_same = [&](const Result& r) { return key(r) == key(one) && same_view(r.view, one.view); };
    if (std::ranges::none_of(results, is_same)) {
      results.push_back(std::move(one));
    }
  }
  return results;
}

void tell_views_apart(std::vector<Result>& results) {
  const auto key = [](const Result& r) { return std::tuple(r.dataset, r.task, r.label, r.variant); };
  std::map<decltype(key(Result{})), std::set<std::string>> views;
  for (const Result& result : results) {
    if (!result.view.empty()) views[key(result)].insert(result.view);
  }
  for (Result& result : results) {
    if (result.view.empty() || views[key(result)].size() < 2) continue;
    result.label += fmt::format("{}view {}", result.label.empty() ? "" : ", ", result.view);
  }
}

std::string clip_benchmark_json(const Result& result) {
  const bool probe = result.task == kTaskProbe;
  Json metrics = Json::object();
  for (const auto& [name, value] : result.metrics) metrics[probe ? "lp_" + name : name] = number(value);
  for (const auto& [name, value] : result.hyper) metrics[name] = number(value);
  Json json = {{"dataset", result.dataset},
               {"model", result.model},
               {"pretrained", result.pretrained},
               {"task", result.task},
               {"metrics", metrics},
               {"language", result.language},
               {"n", result.n},
               {"run", result.run},
               {"step", result.step}};
  if (!result.view.empty()) json["view"] = result.view;
  if (!result.label.empty()) json["label"] = result.label;
  if (!result.variant.empty()) json["variant"] = result.variant;
  if (!result.train_data.empty()) json["train_data"] = result.train_data;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string clip_benchmark_file(const Result& result) {
  std::string dataset = result.dataset;
  if (!result.label.empty()) dataset += "_" + result.label;
  if (!result.variant.empty()) dataset += "_" + result.variant;
  std::string name =
      fmt::format("{}_{}_{}_{}_{}.json", dataset, result.pretrained, result.model, result.language, result.task);
  for (char& c : name) {
    const bool fine =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!fine) c = '_';
  }
  return name;
}

void append_result(const fs::path& file, const Result& result) {
  std::error_code ignored;
  // Works on the JSON, not on Result, so that fields of a newer version survive.
  Json all = fs::exists(file, ignored) ? read_json_array_file(file, "results") : Json::array();
  try {
    Json* place = nullptr;
    for (Json& entry : all) {
      if (same_evaluation(entry, result)) place = &entry;
    }
    if (place == nullptr) place = &all.emplace_back();
    *place = to_json(result);
    // Class names and paths may hold bytes that are no UTF-8: they become U+FFFD instead of losing the evaluation.
    write_file_atomic(file, all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } catch (const Json::exception& problem) {
    throw storage_error("{} is not an array of results: {}", file.native(), problem.what());
  }
}

}  // namespace clip_hpc
