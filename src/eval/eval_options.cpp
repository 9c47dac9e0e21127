#include "clip_hpc/eval/eval_options.hpp"

#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/eval/tasks/task.hpp"
#include "eval/number_words.hpp"

namespace clip_hpc {
namespace {

Check<Strings> each_one_of(const Strings& known) {
  return [known](const std::string& name, const Strings& words) {
    for (const std::string& word : words) one_of(known)(name, word);
  };
}
Check<Strings> each_a_number() {
  return [](const std::string& name, const Strings& words) { numbers_from<double>(name, words); };
}

}  // namespace

void describe(OptionTable& table, EvalOptions& options) {
  table.add("eval.every_samples", options.every_samples,
            "evaluate every so many samples seen; 0: only after the last step", at_least(0));
  table.add("eval.at_checkpoints", options.at_checkpoints, "evaluate at every checkpoint as well");
  table.add("eval.data", options.data, "packed set to evaluate on");
  table.add("eval.tasks", options.tasks, eval_tasks_help(), each_one_of(eval_task_names()));
  table.add("eval.view", options.view, "test image to model input: " + test_views_help(), is_test_view());
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
  table.add(
      "eval.shots", options.shots, "few-shot: samples of each class",
      Check<Strings>([](const std::string& name, const Strings& words) { numbers_from<std::int64_t>(name, words); }));
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

}  // namespace clip_hpc
