#include "clip_hpc/eval/jobs/evaluate_all.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {
namespace {

// A test picture as a PNG beside results.json, for the report.
std::string save_picture(const PackedSet& set, std::uint64_t index, const RunFolder& folder) {
  RawSample raw = set.read(index);
  const Image image = set.is_raw() ? image_from_raw(std::move(raw.image), raw.width, raw.height, set.info().channels)
                                   : decode_image(raw.image);
  const std::vector<std::uint8_t> png = encode_png(image);
  const std::string name = fmt::format("pictures/{}_{}_{}.png", set.folder().parent_path().filename().string(),
                                       set.folder().filename().string(), index);
  std::filesystem::create_directories(folder.path / "pictures");
  write_file_atomic(folder.path / name, {reinterpret_cast<const char*>(png.data()), png.size()});
  return name;
}

// per_class/SET.csv and SET_confusion.json, with label and variant where there are any. Those of a later step stay: a
// job that follows the run may be behind it.
void save_per_class(const ZeroshotOutcome& outcome, const Result& result, const RunFolder& folder) {
  std::string name = result.dataset;
  for (const std::string& part : {result.label, result.variant}) name += part.empty() ? "" : "_" + part;
  for (char& c : name) {
    if (c == '/' || c == ' ' || c == ',') c = '_';
  }
  std::filesystem::create_directories(folder.path / "per_class");
  const std::filesystem::path file = folder.path / "per_class" / (name + "_confusion.json");
  if (std::filesystem::exists(file) && read_json_file(file).value("step", std::int64_t{0}) > result.step) return;
  write_file_atomic(folder.path / "per_class" / (name + ".csv"), per_class_csv(outcome));
  Json confusion = confusion_json(outcome);
  confusion["dataset"] = result.dataset;
  confusion["label"] = result.label;
  confusion["variant"] = result.variant;
  confusion["step"] = result.step;
  write_file_atomic(file, confusion.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

void check_evaluable(const PackedSet& set, const EvalOptions& options) {
  for (const std::string& task : options.tasks) {
    if (!learns(task)) continue;
    if (options.train_data.empty()) {
      throw input_error("{} needs a split to learn from: give eval.train_data (clip_hpc eval --train-data)", task);
    }
    variants_of(options, task);  // throws where numbers are no numbers
    const PackedSet train{options.train_data};
    for (const std::string& label : shared_labels(train, set)) match_classes(set, label, train_classes(train, label));
  }
  if (std::ranges::find(options.tasks, "zeroshot") == options.tasks.end()) return;
  for (const std::string& name : options.average) {
    if (std::ranges::none_of(options.data, [&](const auto& path) {
          const PackedSet one{path};
          return set_name(one) == name &&
                 std::ranges::find(one.info().label_names, "label") != one.info().label_names.end();
        })) {
      throw input_error(
          "eval.average: no set of eval.data with labels is called {}: give the last two parts of its path", name);
    }
  }
  for (const std::string& label : zeroshot_labels(set, options)) zeroshot_task(set, label, zeroshot_files(options));
}

namespace {

const char* result_task(const std::string& task) {
  if (task == "retrieval") return kTaskRetrieval;
  if (task == "fewshot") return kTaskFewshot;
  return task == "linear_probe" ? kTaskProbe : kTaskZeroshot;
}

bool holds_results(const EvalOptions& options, const RunFolder& folder, std::int64_t step) {
  const std::vector<Result> results = read_run_results(folder);
  const auto holds = [&](const std::string& dataset, const char* task, const std::string& label,
                         const std::string& variant) {
    return std::ranges::any_of(results, [&](const Result& r) {
      return r.step == step && r.dataset == dataset && r.task == task && r.label == label && r.variant == variant;
    });
  };
  for (const std::string& path : options.data) {
    const PackedSet set{path};
    for (const std::string& task : options.tasks) {
      const std::vector<std::string> labels = task == "retrieval" ? std::vector<std::string>{"label"}
                                              : learns(task)      ? shared_labels(PackedSet{options.train_data}, set)
                                                                  : zeroshot_labels(set, options);
      for (const std::string& label : labels) {
        for (const std::string& variant : variants_of(options, task)) {
          if (!holds(set_name(set), result_task(task), result_label(label), variant)) return false;
        }
      }
    }
  }
  return true;
}

}  // namespace

bool is_evaluated(World& world, const EvalOptions& options, const RunFolder& folder, std::int64_t step) {
  std::array<std::int64_t, 1> missing{0};
  try {
    missing[0] = world.rank() == 0 && !holds_results(options, folder, step) ? 1 : 0;
  } catch (const Error& problem) {  // of rank 0 alone, while the others wait
    log_warn("{}", problem.what());
    missing[0] = 1;
  }
  world.all_reduce_max(missing);
  return missing[0] == 0;
}

namespace {

// The words of a result that tell it from others of its set.
std::string told(const Result& result) {
  return result.dataset + (result.label.empty() ? "" : " by " + result.label) +
         (result.variant.empty() ? "" : fmt::format(" ({})", result.variant));
}

void check_finite(const EvalContext& context, const PackedSet& set, bool finite) {
  together(context.comm, [&] {
    if (finite) return;
    throw input_error("{}: features are not finite: the model diverged; evaluate an older checkpoint",
                      set.folder().native());
  });
}

void write_retrieval(const EvalContext& context, const EvalOptions& options, const RunFolder& folder,
                     const PackedSet& set, Result result) {
  const RetrievalOutcome outcome = evaluate_retrieval(context, set, options.captions == "first");
  check_finite(context, set, outcome.finite);
  result.task = kTaskRetrieval;
  result.metrics = outcome.metrics;
  result.n = outcome.images;
  log_info("{}: {} images, {} texts: image->text R@1 {:.1f} %, text->image R@1 {:.1f} %, R@5 {:.1f} %", result.dataset,
           outcome.images, outcome.texts, 100 * outcome.metrics.at("text_retrieval_recall@1"),
           100 * outcome.metrics.at("image_retrieval_recall@1"), 100 * outcome.metrics.at("image_retrieval_recall@5"));
  write_result(context, folder, result);
}

// Returns the accuracy.
double write_zeroshot(const EvalContext& context, const EvalOptions& options, const RunFolder& folder,
                      const PackedSet& set, const std::string& label, Result result) {
  const ZeroshotOutcome outcome =
      evaluate_zeroshot(context, set, label, label == "label" ? options.pictures : 0, zeroshot_files(options));
  check_finite(context, set, outcome.finite);
  result.task = kTaskZeroshot;
  result.metrics = outcome.metrics;
  result.n = outcome.n;
  result.classes = outcome.classes;
  result.chance = outcome.chance;
  result.variant = zeroshot_variant(options);
  result.label = result_label(label);
  together(context.comm, [&] {
    const auto baseline_file = set.folder() / "baseline.json";
    if (result.variant.empty() && std::filesystem::exists(baseline_file)) {
      const Json baseline = read_json_file(baseline_file);
      if (baseline.contains(label)) {
        result.baseline = baseline.at(label).at("acc1").get<double>();
        result.baseline_name = baseline.at(label).at("name").get<std::string>();
      }
    }
    if (context.comm.rank() != 0) return;
    for (const TopNames& top : outcome.pictures) {
      Prediction prediction{
          save_picture(set, top.index, folder), outcome.truths[static_cast<std::size_t>(top.truth)], {}, top.scores};
      for (const std::int64_t c : top.classes) {
        prediction.names.push_back(outcome.names[static_cast<std::size_t>(c)]);
      }
      result.predictions.push_back(prediction);
    }
    append_result(folder.results_file(), result);
    if (options.per_class && !outcome.by_class.empty()) save_per_class(outcome, result, folder);
  });
  log_info("{}: zero-shot {:.1f} % of {} images{}, {} classes (chance {:.1f} %{})", told(result),
           100 * outcome.metrics.at("acc1"), outcome.n,
           outcome.left_out == 0 ? "" : fmt::format(" ({} left out)", outcome.left_out), outcome.classes,
           100 * *result.chance,
           result.baseline ? fmt::format(", {} {:.1f} %", result.baseline_name, 100 * *result.baseline) : "");
  return outcome.metrics.at("acc1");
}

void tell_average(const std::vector<std::string>& names, const std::map<std::string, double>& accuracies) {
  double sum = 0;
  for (const std::string& name : names) {
    if (!accuracies.contains(name)) {
      log_info("warning: no mean zero-shot accuracy, since {} could not be evaluated", name);
      return;
    }
    sum += accuracies.at(name);
  }
  log_info("mean zero-shot accuracy of {}: {:.1f} %", fmt::join(names, ", "), 100 * sum / std::ssize(names));
}

}  // namespace

Evaluated evaluate_all(World& world, const EvalContext& given, const EvalOptions& options, const RunFolder& folder,
                       const Progress& progress, const std::string& run_name, const EvaluationOf& of) {
  FeatureMemo own;
  EvalContext context = given;
  if (context.memo == nullptr) context.memo = &own;
  Result common;
  common.model = context.model.config().name;
  common.pretrained = of.pretrained.empty() ? folder.path.native() : of.pretrained;
  common.run = run_name;
  common.step = progress.step;
  common.samples_seen = progress.samples_seen;
  const bool learned = std::ranges::any_of(options.tasks, learns);
  std::map<std::string, double> accuracies;  // by set, of the label `label`, to be averaged
  Evaluated outcome;
  for (const std::string& path : options.data) {
    std::optional<PackedSet> set;
    std::vector<std::string> labels;
    for (const std::string& task : options.tasks) {
      if (learns(task)) continue;
      if (stop_is_asked(world)) outcome.finished = false;
      if (!outcome.finished) return outcome;
      attempt(outcome, fmt::format("{} of {}", task == "zeroshot" ? "zero-shot" : task, path), [&] {
        together(context.comm, [&] {
          if (!set) set.emplace(path);
          if (task == "zeroshot") labels = zeroshot_labels(*set, options);
        });
        Result result = common;
        result.dataset = set_name(*set, of.names);
        if (task == "retrieval") return write_retrieval(context, options, folder, *set, result);
        for (const std::string& label : labels) {
          const double accuracy = write_zeroshot(context, options, folder, *set, label, result);
          if (label == "label") accuracies[result.dataset] = accuracy;
        }
      });
    }
    if (set && !learned) context.memo->forget(*set);
  }
  if (!options.average.empty() && !accuracies.empty()) tell_average(options.average, accuracies);
  if (learned) {
    attempt(outcome, "few-shot regression and linear probes",
            [&] { evaluate_learned(world, context, options, folder, common, outcome, of.names); });
  }
  return outcome;
}

}  // namespace clip_hpc
