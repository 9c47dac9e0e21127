#include "clip_hpc/eval/jobs/evaluate_suite.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::uint64_t kArithmetic = 1;  // raised when the same inputs give other numbers

// A row of the table, as suite_<suite>.json keeps it.
struct Row {
  std::string section, dataset, task, metric;
  std::string state;  // done, missing, failed, or open: not come to
  std::optional<double> value;
  std::int64_t n = 0;
  std::string key;                 // what it was computed from
  std::vector<std::string> files;  // below clip_benchmark/
  std::vector<std::string> sums;   // of their content: another suite may have written a file of that name
};

Json to_json(const Row& row) {
  return {{"section", row.section},
          {"dataset", row.dataset},
          {"task", row.task},
          {"metric", row.metric},
          {"state", row.state},
          {"value", row.value ? Json(*row.value) : Json(nullptr)},
          {"n", row.n},
          {"key", row.key},
          {"files", row.files},
          {"xxh64", row.sums}};
}

Row row_from(const Json& json) {
  Row row;
  row.section = json.at("section").get<std::string>();
  row.dataset = json.at("dataset").get<std::string>();
  row.task = json.at("task").get<std::string>();
  row.metric = json.at("metric").get<std::string>();
  row.state = json.at("state").get<std::string>();
  if (!json.at("value").is_null()) row.value = json.at("value").get<double>();
  row.n = json.at("n").get<std::int64_t>();
  row.key = json.at("key").get<std::string>();
  row.files = json.at("files").get<std::vector<std::string>>();
  row.sums = json.at("xxh64").get<std::vector<std::string>>();
  return row;
}

bool is_set(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "dataset.json", ignored);
}

// Of a section: the first set that is not there, or nothing.
std::string missing_set(const SuiteEntry& entry) {
  if (!is_set(entry.options.data.front())) return entry.options.data.front();
  if (!entry.options.train_data.empty() && find_eval_task(entry.task).learns() && !is_set(entry.options.train_data)) {
    return entry.options.train_data;
  }
  return {};
}

// Everything that the numbers of a section depend on.
std::string key_of(const EvalContext& context, const SuiteEntry& entry) {
  EvalOptions options = entry.options;
  options.data.clear();  // sets are named by their content, wherever they lie
  options.train_data.clear();
  std::string text = fmt::format("{} {} {} ", kArithmetic, entry.dataset, entry.task);
  const auto add_file = [&](const fs::path& file) {
    if (fs::is_regular_file(file)) text += fmt::format("{} {} ", file.filename().native(), hex64(xxh64_of_file(file)));
  };
  for (std::string* file :
       {&options.templates, &options.classnames, &options.classes, &options.label_map, &options.multilabel}) {
    add_file(*file);
    *file = fs::path(*file).filename().native();
  }
  for (const std::string& path :
       {entry.options.data.front(), find_eval_task(entry.task).learns() ? entry.options.train_data : ""}) {
    if (path.empty()) continue;
    const PackedSet set(path);
    text += feature_file(context, set).filename().native() + " ";  // weights, model, view, precision; shards
    std::vector<fs::path> side_files;
    for (const auto& one : fs::directory_iterator(path)) {
      if (one.path().extension() == ".txt") side_files.push_back(one.path());
    }
    std::ranges::sort(side_files);
    for (const fs::path& file : side_files) add_file(file);
  }
  OptionTable table;
  describe(table, options);
  text += table.dump();
  return hex64(xxh64(std::as_bytes(std::span(text))));
}

fs::path state_file(const Suite& suite, const RunFolder& folder) {
  return folder.path / fmt::format("suite_{}.json", suite.name);
}

// Rows of an earlier start. A file that cannot be read is as none: everything is computed again.
std::vector<Row> read_rows(const fs::path& file) {
  std::vector<Row> rows;
  if (!fs::exists(file)) return rows;
  try {
    const Json all = read_json_file(file);
    for (const Json& json : all.at("rows")) rows.push_back(row_from(json));
  } catch (const std::exception& problem) {
    log_warn("{}: {}; everything is evaluated again", file.native(), problem.what());
    rows.clear();
  }
  return rows;
}

struct Average {
  std::string name;
  double mean = 0;
  std::size_t found = 0, wanted = 0;
  std::vector<std::string> without;
};

std::vector<Average> averages_of(const Suite& suite, const std::vector<Row>& rows) {
  std::vector<Average> averages;
  for (const SuiteAverage& wanted : suite.averages) {
    Average average{wanted.name, 0, 0, wanted.sections.size(), {}};
    for (const std::string& section : wanted.sections) {
      const auto row = std::ranges::find(rows, section, &Row::section);
      if (row == rows.end() || row->state != "done" || !row->value) {
        average.without.push_back(section);
        continue;
      }
      average.mean += *row->value;
      ++average.found;
    }
    if (average.found > 0) average.mean /= static_cast<double>(average.found);
    averages.push_back(std::move(average));
  }
  return averages;
}

void write_rows(const fs::path& file, const Suite& suite, const std::vector<Row>& rows, const std::string& pretrained) {
  Json json = {{"suite", suite.name}, {"pretrained", pretrained}, {"rows", Json::array()}, {"averages", Json::array()}};
  for (const Row& row : rows) json["rows"].push_back(to_json(row));
  for (const Average& average : averages_of(suite, rows)) {
    json["averages"].push_back({{"name", average.name},
                                {"value", average.found > 0 ? Json(average.mean) : Json(nullptr)},
                                {"sets", average.found},
                                {"without", average.without}});
  }
  write_json_file(file, json);
}

// The section's own of the results that were computed, that of its first label and variant first.
std::vector<Result> results_of(const SuiteEntry& entry, std::span<const Result> all) {
  const EvalTask& task = find_eval_task(entry.task);
  std::vector<Result> mine;
  for (const std::string& label : task.labels(PackedSet(entry.options.data.front()), entry.options)) {
    for (const std::string& variant : task.variants(entry.options)) {
      const auto found = std::ranges::find_if(all, [&](const Result& r) {
        return r.dataset == entry.dataset && r.task == task.result_task && r.label == result_label(label) &&
               r.variant == variant;
      });
      if (found != all.end()) mine.push_back(*found);
    }
  }
  if (mine.empty()) throw internal_error("[{}] gave no result", entry.section);
  return mine;
}

// One file a result, and the row.
void take_results(const RunFolder& folder, const SuiteEntry& entry, std::span<const Result> all, Row& row) {
  const fs::path files = folder.path / "clip_benchmark";
  fs::create_directories(files);
  const std::vector<Result> results = results_of(entry, all);
  row.files.clear();
  row.sums.clear();
  for (Result result : results) {
    if (const auto value = suite_metric(entry.metric, result.metrics)) result.metrics[entry.metric] = *value;
    row.files.push_back(clip_benchmark_file(result));
    write_file_atomic(files / row.files.back(), clip_benchmark_json(result));
    row.sums.push_back(hex64(xxh64_of_file(files / row.files.back())));
  }
  row.value = suite_metric(entry.metric, results.front().metrics);
  row.n = results.front().n;
  row.state = "done";
}

void say_table(const Suite& suite, const std::vector<Row>& rows, const std::string& pretrained) {
  std::size_t widest = 8;
  for (const Row& row : rows) widest = std::max(widest, row.section.size());
  log_info("suite {}, {}:", suite.name, pretrained);
  for (const Row& row : rows) {
    const std::string value = row.value ? fmt::format("{:6.2f} %", 100 * *row.value) : fmt::format("{:>8}", "-");
    log_info("  {:<{}}  {:<12}  {:<23}  {}  {}", row.section, widest, row.task, row.metric,
             row.state == "done" ? value : fmt::format("{:>8}", row.state),
             row.n > 0 ? fmt::format("{:>6} images", row.n) : "");
  }
  for (const Average& average : averages_of(suite, rows)) {
    if (average.found == 0) {
      log_info("  mean {}: none of its {} sets is there", average.name, average.wanted);
    } else {
      log_info("  mean {}: {:.2f} % of {} sets{}", average.name, 100 * average.mean, average.found,
               average.without.empty() ? "" : fmt::format(", without {}", fmt::join(average.without, ", ")));
    }
  }
}

bool are_there(const Row& row, const RunFolder& folder) {
  for (std::size_t i = 0; i < row.files.size(); ++i) {
    const fs::path file = folder.path / "clip_benchmark" / row.files[i];
    if (!fs::exists(file) || i >= row.sums.size() || hex64(xxh64_of_file(file)) != row.sums[i]) return false;
  }
  return true;
}

// What each rank is told: rows as rank 0 found them on disk.
std::vector<Row> plan(World& world, const EvalContext& context, const Suite& suite, const RunFolder& folder) {
  std::string told;
  if (world.rank() == 0) {
    Json json = Json::array();
    for (const SuiteEntry& entry : suite.entries) {
      Row row{entry.section, entry.dataset, entry.task, entry.metric, "open", {}, 0, "", {}, {}};
      if (!missing_set(entry).empty()) row.state = "missing";
      json.push_back(to_json(row));
    }
    told = json.dump();
  }
  told = world.broadcast(told);
  std::vector<Row> rows;
  for (const Json& json : Json::parse(told)) rows.push_back(row_from(json));

  // On every rank, so that all hear of it.
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SuiteEntry& entry = suite.entries[i];
    if (rows[i].state == "missing") continue;
    try {
      check_evaluable(PackedSet(entry.options.data.front()), entry.options);
    } catch (const Error& problem) {
      throw Error(problem.kind(), fmt::format("{}, [{}]: {}", suite.file.native(), entry.section, problem.what()));
    }
  }

  if (world.rank() == 0) {
    const std::vector<Row> before = read_rows(state_file(suite, folder));
    Json json = Json::array();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Row& row = rows[i];
      if (row.state != "missing") {
        EvalContext of_entry = context;
        of_entry.view = test_view(context.model.config(), suite.entries[i].options.view);
        row.key = key_of(of_entry, suite.entries[i]);
        const auto old = std::ranges::find(before, row.section, &Row::section);
        if (old != before.end() && old->state == "done" && old->key == row.key && old->metric == row.metric &&
            are_there(*old, folder)) {
          row = *old;
        }
      }
      json.push_back(to_json(row));
    }
    told = json.dump();
  }
  told = world.broadcast(told);
  rows.clear();
  for (const Json& json : Json::parse(told)) rows.push_back(row_from(json));
  return rows;
}

// Sections that one call evaluates: a head is trained once for all sets that it is tested on.
std::vector<std::size_t> with_same_head(const Suite& suite, const std::vector<Row>& rows, std::size_t first) {
  std::vector<std::size_t> group{first};
  const auto head_of = [&](std::size_t i) {
    EvalOptions options = suite.entries[i].options;
    options.data.clear();
    OptionTable table;
    describe(table, options);
    return table.dump();
  };
  if (!find_eval_task(suite.entries[first].task).learns()) return group;
  std::set<std::string> paths{suite.entries[first].options.data.front()};
  for (std::size_t i = first + 1; i < rows.size(); ++i) {
    if (rows[i].state != "open" || head_of(i) != head_of(first)) continue;
    if (paths.insert(suite.entries[i].options.data.front()).second) group.push_back(i);
  }
  return group;
}

}  // namespace

bool evaluate_suite(World& world, const EvalContext& context, const Suite& suite, const RunFolder& folder,
                    const Progress& progress, const std::string& run_name) {
  const Timer timer;
  const std::string pretrained = fmt::format("{}_step_{}", run_name, progress.step);
  std::vector<Row> rows = plan(world, context, suite, folder);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].state == "missing" && world.rank() == 0) {
      log_info("[{}]: skipped, there is no packed set {}", rows[i].section, missing_set(suite.entries[i]));
    } else if (rows[i].state == "done") {
      log_info("[{}]: is there already", rows[i].section);
    }
  }
  std::size_t computed = 0;
  std::optional<Error> failure;  // the first
  FeatureMemo memo;              // variants of ImageNet share its prompts
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].state != "open") continue;
    const std::vector<std::size_t> group = with_same_head(suite, rows, i);
    EvalContext of_entry = context;
    of_entry.view = test_view(context.model.config(), suite.entries[i].options.view);
    of_entry.memo = &memo;
    memo.images.clear();  // of another view, perhaps
    EvalOptions options = suite.entries[i].options;
    EvaluationOf of{{}, pretrained};
    options.data.clear();
    for (const std::size_t member : group) {
      const SuiteEntry& entry = suite.entries[member];
      options.data.push_back(entry.options.data.front());
      of.names[without_slash(entry.options.data.front()).native()] = entry.dataset;
    }
    const Evaluated outcome = evaluate_all(world, of_entry, options, folder, progress, run_name, of);
    if (!outcome.failures.empty()) {  // told already; the other sections go on
      for (const std::size_t member : group) rows[member].state = "failed";
      if (!failure) {
        failure.emplace(outcome.failures[0].kind, fmt::format("[{}]: {}", rows[i].section, outcome.failures[0].text));
      }
      continue;
    }
    if (!outcome.finished) {
      log_info("suite {}: stopped after {} new sections on request; submit again to go on", suite.name, computed);
      return false;
    }
    for (const std::size_t member : group) {
      if (world.rank() == 0) take_results(folder, suite.entries[member], outcome.results, rows[member]);
      rows[member].state = "done";
      ++computed;
    }
    if (world.rank() == 0) write_rows(state_file(suite, folder), suite, rows, pretrained);
  }
  if (world.rank() == 0) {
    write_rows(state_file(suite, folder), suite, rows, pretrained);
    say_table(suite, rows, pretrained);
    log_info("suite {}: {} of {} sections evaluated now in {:.1f} s; one file a result in {}", suite.name, computed,
             rows.size(), timer.seconds(), (folder.path / "clip_benchmark").native());
  }
  if (failure) throw Error(*failure);
  return true;
}

}  // namespace clip_hpc
