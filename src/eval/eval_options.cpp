#include "clip_hpc/eval/eval_options.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {
namespace {

template <class T>
std::vector<T> numbers(const std::string& name, const std::vector<std::string>& words) {
  std::vector<T> all;
  for (const std::string& word : words) {
    T value{};
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (problem != std::errc{} || end != word.data() + word.size() || !(value >= T{0})) {
      throw input_error("{} takes numbers from 0, one a word, got \"{}\"", name, word);
    }
    all.push_back(value);
  }
  return all;
}

using Words = std::vector<std::string>;
Check<Words> each_one_of(const Words& known) {
  return [known](const std::string& name, const Words& words) {
    for (const std::string& word : words) one_of(known)(name, word);
  };
}
Check<Words> each_a_number() {
  return [](const std::string& name, const Words& words) { numbers<double>(name, words); };
}

}  // namespace

void describe(OptionTable& table, EvalOptions& options) {
  table.add("eval.every_samples", options.every_samples,
            "evaluate every so many samples seen; 0: only after the last step", at_least(0));
  table.add("eval.at_checkpoints", options.at_checkpoints, "evaluate at every checkpoint as well");
  table.add("eval.data", options.data, "packed set to evaluate on");
  table.add("eval.tasks", options.tasks,
            "`zeroshot` (sets with labels), `retrieval`, or with `train_data` `fewshot`, `linear_probe`",
            each_one_of({"zeroshot", "retrieval", "fewshot", "linear_probe"}));
  table.add(
      "eval.view", options.view,
      "test image to model input: `resize`, `eval` (short side, centre crop), `eval_squash` (resized to 8/7 of the "
      "size, centre crop; the paper's)",
      one_of(view_names(ViewUse::test)));
  table.add("eval.captions", options.captions, "retrieval: `all` captions of an image, or its `first`",
            one_of({"all", "first"}));
  table.add("eval.pictures", options.pictures, "test pictures that are kept with the three best names, for the report",
            in_range(std::int64_t{0}, std::int64_t{1000}));
  table.add("eval.labels", options.labels,
            "zero-shot: label names to classify by, `label` or `label_<name>`; none: all that the set has");
  table.add("eval.templates", options.templates,
            "zero-shot: file of prompts, one a line, `{c}` or `{}` for the class name; none: the set's");
  table.add("eval.classnames", options.classnames, "zero-shot: file of class names in place of the set's, one a line");
  table.add("eval.classes", options.classes,
            "zero-shot: file of the classes that compete, a name or number (from 0) a line; samples of others are left "
            "out");
  table.add("eval.label_map", options.label_map,
            "zero-shot: JSON `{class of the set: [classes that count]}`, names or numbers; others are left out");
  table.add("eval.multilabel", options.multilabel,
            "zero-shot: JSON `[[right classes], …]`, one list a sample; a sample of an empty list is left out");
  table.add("eval.canonicalise", options.canonicalise,
            "zero-shot: prompts in lower case without punctuation, as big_vision");
  table.add("eval.per_class", options.per_class,
            "zero-shot: `per_class/SET.csv` in the run folder: recall of each class and what it is mistaken for most");
  table.add("eval.average", options.average,
            "zero-shot: sets of `data`, as results name them (`glyphs/test_letters`), whose mean acc1 is printed");
  table.add("eval.train_data", options.train_data,
            "packed set that few-shot regression and linear probes learn from; classes are matched by name");
  table.add(
      "eval.features", options.features,
      "`pooled` (before the projection), `projected` (unit length), or `auto`: projected for `adamw`, else pooled",
      one_of({"auto", "pooled", "projected"}));
  table.add("eval.shots", options.shots, "few-shot: samples of each class",
            Check<Words>([](const std::string& name, const Words& words) { numbers<std::int64_t>(name, words); }));
  table.add("eval.fewshot_seeds", options.fewshot_seeds,
            "few-shot: draws of the samples, reported one by one and as mean",
            in_range(std::int64_t{1}, std::int64_t{100}));
  table.add("eval.l2", options.l2, "few-shot: strength of the ridge", each_a_number());
  table.add("eval.probes", options.probes,
            "linear probe: `sgd` (the paper's), `adamw` (CLIP_benchmark's), `lbfgs` (OpenAI's, scikit-learn's)",
            each_one_of({"sgd", "adamw", "lbfgs"}));
  table.add("eval.probe_lr", options.probe_lr, "learning rates that `sgd` chooses from; none: 0.001 to 3",
            each_a_number());
  table.add("eval.probe_weight_decay", options.probe_weight_decay,
            "weight decays that `adamw` chooses from; none: a search in 97 from 1e-6 to 1e2", each_a_number());
  table.add("eval.probe_c", options.probe_c, "C that `lbfgs` chooses from; none: a search in 97 from 1e-6 to 1e6",
            each_a_number());
  table.add("eval.probe_epochs", options.probe_epochs, "of `sgd` and `adamw`; 0: 90 and 10", at_least(0));
  table.add("eval.probe_batch", options.probe_batch, "samples in a step of `sgd` and `adamw`", at_least(1));
  table.add("eval.probe_val_share", options.probe_val_share,
            "share of each class in `train_data` that the choice is made on; the last training has it back",
            in_range(0.0, 0.9));
  table.add("eval.probe_seed", options.probe_seed, "of the validation share, the first head and the order of samples",
            at_least(0));
}

ZeroshotFiles zeroshot_files(const EvalOptions& options) {
  return {options.templates, options.classnames, options.classes,
          options.label_map, options.multilabel, options.canonicalise};
}

std::string zeroshot_variant(const EvalOptions& options) {
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

std::vector<std::string> zeroshot_labels(const PackedSet& set, const EvalOptions& options) {
  const std::vector<std::string>& names = set.info().label_names;
  if (names.empty()) {
    throw input_error("{} has no labels to classify by: use the task retrieval", set.folder().native());
  }
  for (const std::string& label : options.labels) {
    if (std::ranges::find(names, label) == names.end()) {
      throw input_error("{} has no labels named {}: it has {}", set.folder().native(), label, fmt::join(names, ", "));
    }
  }
  if (!options.labels.empty()) return options.labels;
  if (!zeroshot_files(options).of_classes()) return names;
  if (std::ranges::find(names, "label") == names.end()) {
    throw input_error(
        "{} has no labels called label, which eval.classnames, classes, label_map and multilabel are about: leave them "
        "out",
        set.folder().native());
  }
  return {"label"};
}

bool learns(const std::string& task) { return task == "fewshot" || task == "linear_probe"; }

FewshotOptions fewshot_options(const EvalOptions& options) {
  FewshotOptions fewshot{numbers<std::int64_t>("eval.shots", options.shots), options.fewshot_seeds,
                         numbers<double>("eval.l2", options.l2)};
  for (const std::int64_t shots : fewshot.shots) at_least(1)("eval.shots", shots);
  for (const double l2 : fewshot.l2) above(0)("eval.l2", l2);
  return fewshot;
}

ProbeRecipe probe_recipe(const EvalOptions& options, const std::string& method) {
  ProbeRecipe recipe;
  recipe.method = method;
  recipe.values = method == "sgd"     ? numbers<double>("eval.probe_lr", options.probe_lr)
                  : method == "adamw" ? numbers<double>("eval.probe_weight_decay", options.probe_weight_decay)
                                      : numbers<double>("eval.probe_c", options.probe_c);
  recipe.epochs = options.probe_epochs;
  recipe.batch = options.probe_batch;
  recipe.seed = static_cast<std::uint64_t>(options.probe_seed);
  return recipe;
}

FeatureKind feature_kind(const EvalOptions& options, const std::string& task_or_probe) {
  if (options.features == "auto") return task_or_probe == "adamw" ? FeatureKind::projected : FeatureKind::pooled;
  return options.features == "pooled" ? FeatureKind::pooled : FeatureKind::projected;
}

}  // namespace clip_hpc
