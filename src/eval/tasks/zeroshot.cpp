#include "clip_hpc/eval/tasks/zeroshot.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/eval/classification_metrics.hpp"
#include "clip_hpc/eval/text_features.hpp"
#include "eval/tasks/task_rows.hpp"

namespace clip_hpc {
namespace {

// Of the scores of one sample [classes]: the place of the best right class, best first, from 0.
std::int64_t place_of(std::span<const float> scores, const std::vector<std::int64_t>& right) {
  std::int64_t best = right.front();
  for (const std::int64_t c : right) {
    if (scores[static_cast<std::size_t>(c)] > scores[static_cast<std::size_t>(best)]) best = c;
  }
  const float own = scores[static_cast<std::size_t>(best)];
  const auto n = static_cast<std::int64_t>(scores.size());
  std::int64_t beaten = 0;  // itself among them; a score that is not a number beats none
  for (std::int64_t c = 0; c < n; ++c) {
    const float other = scores[static_cast<std::size_t>(c)];
    beaten += own > other || (own == other && c >= best) ? 1 : 0;
  }
  return n - beaten;
}

using Times = std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>;  // (truth, name given) -> times

void tell_apart_classes(ZeroshotOutcome& outcome, const ClassTally& tally, const Times& named, const Times& mistakes) {
  for (std::size_t c = 0; c < outcome.truths.size(); ++c) {
    const auto truth = static_cast<std::int64_t>(c);
    if (tally.seen(truth) > 0) outcome.by_class.push_back({truth, tally.seen(truth), tally.right(truth), -1, 0});
  }
  for (const auto& [pair, times] : named) outcome.confusion.push_back({pair.first, pair.second, times});
  auto one = outcome.by_class.begin();
  for (const auto& [pair, times] : mistakes) {  // in the order of the truth
    while (one->truth != pair.first) ++one;
    if (times > one->times) std::tie(one->mistaken_for, one->times) = std::pair(pair.second, times);
  }
}

void tell_lost_names(const EvalContext& context, const ZeroshotTask& task) {
  const std::int64_t context_length = context.model.text().context();
  const LostNames lost = lost_names(context.tokenizer, context_length, task.names, task.templates);
  if (lost.prompts == 0) return;
  log_info(
      "warning: {} of {} prompts lose the class name: the model reads {} tokens and \"{}\" is longer. Use shorter "
      "templates (eval.templates), or a model of a longer context",
      lost.prompts, task.names.size() * task.templates.size(), context_length, lost.example);
}

}  // namespace

ZeroshotOutcome evaluate_zeroshot(const EvalContext& context, const PackedSet& set, const std::string& label,
                                  std::int64_t pictures, const ZeroshotFiles& files) {
  const at::NoGradGuard no_grad;
  ZeroshotTask task;
  together(context.comm, [&] { task = zeroshot_task(set, label, files); });
  if (context.comm.rank() == 0) tell_lost_names(context, task);
  const at::Tensor prototypes = class_features(context, task.names, task.templates);
  const at::Tensor features = shared_image_features(context, set, FeatureKind::projected);

  ZeroshotOutcome outcome;
  outcome.finite = all_finite(features) && all_finite(prototypes);
  outcome.n = static_cast<std::int64_t>(task.samples.size());
  outcome.left_out = static_cast<std::int64_t>(set.count()) - outcome.n;
  outcome.classes = static_cast<std::int64_t>(task.names.size());
  outcome.names = task.names;
  outcome.truths = task.truths;
  ClassTally tally(task.has_classes ? static_cast<std::int64_t>(task.truths.size()) : 0, outcome.classes);
  Times named, mistakes;
  std::int64_t right_classes = 0;
  const std::int64_t every = pictures > 0 ? std::max<std::int64_t>(1, outcome.n / pictures) : outcome.n + 1;
  at::Tensor scores;  // of one block of the set at a time, whether its samples count or not
  std::int64_t block = -1;
  for (std::int64_t i = 0; i < outcome.n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t index = task.samples[at];
    if (index / kEvalBlock != block) {
      block = index / kEvalBlock;
      scores = at::matmul(features.slice(0, block * kEvalBlock, (block + 1) * kEvalBlock), prototypes.t());
    }
    const at::Tensor row = scores[index % kEvalBlock];  // [classes]
    const std::span of_row(row.const_data_ptr<float>(), task.names.size());
    const std::int64_t place = place_of(of_row, task.right[at]);
    tally.add(task.truth[at], place);
    right_classes += static_cast<std::int64_t>(task.right[at].size());
    const std::pair given{task.truth[at], std::max_element(of_row.begin(), of_row.end()) - of_row.begin()};
    ++named[given];
    if (place > 0) ++mistakes[given];
    if (i % every != 0 || static_cast<std::int64_t>(outcome.pictures.size()) >= pictures) continue;
    const auto [values, indices] = row.topk(std::min<std::int64_t>(3, outcome.classes));
    TopNames top{static_cast<std::uint64_t>(index), static_cast<std::int32_t>(task.truth[at]), {}, {}};
    for (std::int64_t k = 0; k < values.size(0); ++k) {
      top.classes.push_back(indices.const_data_ptr<std::int64_t>()[k]);
      top.scores.push_back(static_cast<double>(values.const_data_ptr<float>()[k]));
    }
    outcome.pictures.push_back(top);
  }
  outcome.metrics = tally.metrics();
  outcome.chance =
      static_cast<double>(right_classes) / static_cast<double>(outcome.n) / static_cast<double>(outcome.classes);
  if (task.has_classes) tell_apart_classes(outcome, tally, named, mistakes);
  return outcome;
}

std::string per_class_csv(const ZeroshotOutcome& outcome) {
  const auto quoted = [](const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string safe = "\"";
    for (const char c : text) safe += c == '"' ? "\"\"" : std::string(1, c);
    return safe + "\"";
  };
  const auto recall = [](const ZeroshotOutcome::OfClass& one) {
    return static_cast<double>(one.right) / static_cast<double>(one.n);
  };
  std::vector<ZeroshotOutcome::OfClass> classes = outcome.by_class;
  std::ranges::stable_sort(classes, {}, recall);
  std::string csv = "class,n,right,recall,mistaken_for,times\n";
  for (const ZeroshotOutcome::OfClass& one : classes) {
    const bool mistaken = one.mistaken_for >= 0;
    csv += fmt::format("{},{},{},{:.4f},{},{}\n", quoted(outcome.truths[static_cast<std::size_t>(one.truth)]), one.n,
                       one.right, recall(one),
                       mistaken ? quoted(outcome.names[static_cast<std::size_t>(one.mistaken_for)]) : "", one.times);
  }
  return csv;
}

Json confusion_json(const ZeroshotOutcome& outcome) {
  Json counts = Json::array();
  for (const ZeroshotOutcome::Named& one : outcome.confusion) counts.push_back({one.truth, one.name, one.times});
  return {{"truths", outcome.truths}, {"names", outcome.names}, {"counts", std::move(counts)}};
}

namespace {

constexpr const char* kName = "zeroshot";

ZeroshotFiles files_of(const EvalOptions& options) {
  return {options.templates, options.classnames, options.classes,
          options.label_map, options.multilabel, options.canonicalise};
}

// What results of these options are called; empty where all is as the set has it.
std::string variant(const EvalOptions& options) {
  std::string variant;
  const auto add = [&](const std::string& word) { variant += (variant.empty() ? "" : ", ") + word; };
  const auto add_file = [&](const char* word, const std::filesystem::path& file) {
    if (!file.empty()) add(fmt::format("{} {}", word, file.stem().native()));
  };
  add_file("templates", options.templates);
  add_file("names", options.classnames);
  add_file("classes", options.classes);
  add_file("map", options.label_map);
  add_file("truth", options.multilabel);
  if (options.canonicalise) add("canonical");
  return variant;
}

// eval.labels, else `label` alone where files say what the classes are, else all.
Strings labels(const PackedSet& set, const EvalOptions& options) {
  const Strings& names = set.info().label_names;
  if (names.empty()) {
    throw input_error("{} has no labels to classify by: use the task retrieval", set.folder().native());
  }
  for (const std::string& label : options.labels) {
    if (std::ranges::find(names, label) == names.end()) {
      throw input_error("{} has no labels named {}: it has {}", set.folder().native(), label, fmt::join(names, ", "));
    }
  }
  if (!options.labels.empty()) return options.labels;
  if (!files_of(options).of_classes()) return names;
  if (std::ranges::find(names, "label") == names.end()) {
    throw input_error(
        "{} has no labels called label, which eval.classnames, classes, label_map and multilabel are about: leave them "
        "out",
        set.folder().native());
  }
  return {"label"};
}

void check(const PackedSet& set, const EvalOptions& options) {
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
  for (const std::string& label : labels(set, options)) zeroshot_task(set, label, files_of(options));
}

// A test picture as a PNG, for the report.
Artefact picture_of(const PackedSet& set, std::string name, std::uint64_t index) {
  RawSample raw = set.read(index);
  const Image image = set.is_raw() ? image_from_raw(std::move(raw.image), raw.width, raw.height, set.info().channels)
                                   : decode_image(raw.image);
  const std::vector<std::uint8_t> png = encode_png(image);
  std::ranges::replace(name, '/', '_');
  return {fmt::format("pictures/{}_{}.png", name, index), {png.begin(), png.end()}};
}

void add_predictions(TaskResult& into, const PackedSet& set, const ZeroshotOutcome& outcome) {
  for (const TopNames& top : outcome.pictures) {
    into.artefacts.push_back(picture_of(set, into.result.dataset, top.index));
    Prediction prediction{
        into.artefacts.back().name.native(), outcome.truths[static_cast<std::size_t>(top.truth)], {}, top.scores};
    for (const std::int64_t c : top.classes) {
      prediction.names.push_back(outcome.names[static_cast<std::size_t>(c)]);
    }
    into.result.predictions.push_back(std::move(prediction));
  }
}

// per_class/SET.csv and SET_confusion.json, with label and variant where there are any. Those of a later step stay: a
// job that follows the run may be behind it.
void add_per_class(TaskResult& into, const ZeroshotOutcome& outcome) {
  const Result& result = into.result;
  std::string name = result.dataset;
  for (const std::string& part : {result.label, result.variant}) name += part.empty() ? "" : "_" + part;
  for (char& c : name) {
    if (c == '/' || c == ' ' || c == ',') c = '_';
  }
  Json confusion = confusion_json(outcome);
  confusion["dataset"] = result.dataset;
  confusion["label"] = result.label;
  confusion["variant"] = result.variant;
  confusion["step"] = result.step;
  const std::string file = "per_class/" + name + "_confusion.json";
  into.artefacts.push_back({"per_class/" + name + ".csv", per_class_csv(outcome), file});
  into.artefacts.push_back({file, confusion.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", file});
}

void add_baseline(Result& result, const PackedSet& set, const std::string& label) {
  const auto file = set.folder() / "baseline.json";
  if (!result.variant.empty() || !std::filesystem::exists(file)) return;
  const Json baseline = read_json_file(file);
  if (!baseline.contains(label)) return;
  result.baseline = baseline.at(label).at("acc1").get<double>();
  result.baseline_name = baseline.at(label).at("name").get<std::string>();
}

void run_label(const TaskRun& run, const PackedSet& set, const std::string& label) {
  const ZeroshotOutcome outcome =
      evaluate_zeroshot(run.context, set, label, label == "label" ? run.options.pictures : 0, files_of(run.options));
  require_finite(run.context, set, outcome.finite);
  TaskResult done{run.common};
  Result& result = done.result;
  result.dataset = set_name(set, run.names);
  result.task = kTaskZeroshot;
  result.metrics = outcome.metrics;
  result.n = outcome.n;
  result.classes = outcome.classes;
  result.chance = outcome.chance;
  result.variant = variant(run.options);
  result.label = result_label(label);
  together(run.context.comm, [&] {
    add_baseline(result, set, label);
    if (run.context.comm.rank() != 0) return;
    add_predictions(done, set, outcome);
    if (run.options.per_class && !outcome.by_class.empty()) add_per_class(done, outcome);
  });
  log_info("{}{}: zero-shot {:.1f} % of {} images{}, {} classes (chance {:.1f} %{})", shown_name(result),
           result.variant.empty() ? "" : fmt::format(" ({})", result.variant), 100 * outcome.metrics.at("acc1"),
           outcome.n, outcome.left_out == 0 ? "" : fmt::format(" ({} left out)", outcome.left_out), outcome.classes,
           100 * *result.chance,
           result.baseline ? fmt::format(", {} {:.1f} %", result.baseline_name, 100 * *result.baseline) : "");
  run.hand_in(std::move(done));
}

void run_zeroshot(const TaskRun& run, const PackedSet& set) {
  Strings all;
  together(run.context.comm, [&] { all = labels(set, run.options); });
  for (const std::string& label : all) run_label(run, set, label);
}

// The mean over the sets of eval.average, of the label `label`.
void tell_average(const EvalOptions& options, std::span<const Result> results) {
  std::map<std::string, double> accuracies;  // by set
  for (const Result& result : results) {
    if (result.task == kTaskZeroshot && result.label.empty()) accuracies[result.dataset] = result.metrics.at("acc1");
  }
  if (options.average.empty() || accuracies.empty()) return;
  double sum = 0;
  for (const std::string& name : options.average) {
    if (!accuracies.contains(name)) {
      log_info("warning: no mean zero-shot accuracy, since {} could not be evaluated", name);
      return;
    }
    sum += accuracies.at(name);
  }
  log_info("mean zero-shot accuracy of {}: {:.1f} %", fmt::join(options.average, ", "),
           100 * sum / static_cast<double>(options.average.size()));
}

}  // namespace

EvalTask zeroshot_row() {
  return {.name = kName,
          .help = "sets with labels",
          .shown_as = "zero-shot",
          .result_task = kTaskZeroshot,
          .metrics = kClassificationMetrics,
          .main_metric = "acc1",
          .labels = labels,
          .variants = [](const EvalOptions& options) { return Strings{variant(options)}; },
          .check = check,
          .run = run_zeroshot,
          .summarise = tell_average,
          .takes_labels = true};
}

}  // namespace clip_hpc
