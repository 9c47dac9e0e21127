#include <filesystem>
#include <limits>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/eval/jobs/evaluate_suite.hpp"
#include "clip_hpc/eval/jobs/follow.hpp"
#include "clip_hpc/eval/jobs/write_results.hpp"
#include "clip_hpc/eval/open_model.hpp"
#include "clip_hpc/eval/search.hpp"
#include "clip_hpc/eval/suite.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kEvalUsage =
    R"(clip_hpc eval: zero-shot accuracy, retrieval, few-shot regression and linear probes of a trained model

Examples:
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --data data/packed/glyphs/test_letters
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --task linear_probe fewshot --probe sgd adamw \
    --train-data data/packed/glyphs/train --data data/packed/glyphs/test_faces data/packed/glyphs/test_pairs
  clip_hpc eval --model runs/quickstart/letters --data data/packed/glyphs/test_faces --task search \
    --query "a red heart" "a smiling cat" --output hearts.html
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --follow
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --suite configs/suites/embedded.cfg
  mpirun -np 16 clip_hpc eval --model runs/vit_s --suite configs/suites/paper.cfg --data-root /data/packed --output eval/vit_s

--follow evaluates every checkpoint of a run as it appears, on [eval] of the run's config.cfg unless --data is given, and
ends with the run. Results go into results_follow.json, which the report reads beside results.json. USR1 or TERM stop it
with exit code 75: the same command goes on.

A suite evaluates on many sets in one job: sets missing from --data-root are skipped with a message; finished ones are
not repeated. It writes results.json, and clip_benchmark/*.json for `clip_benchmark build` (docs/evaluation.md).

Features of a set are computed once and kept in MODEL/features.
)";

struct EvalRequest {
  ModelSource source;
  EvalOptions options;  // what is evaluated; its view is the model's
  std::string output, suite, data_root = "data/packed";
  std::vector<std::string> settings, queries;
  std::int64_t matches = 24;
  bool follows = false;
  double poll_s = 30, stop_after_s = 0;
  bool searches = false;  // --task search
  bool asks = false;      // --data was given
};

void declare(ArgumentTable& table, EvalRequest& request) {
  EvalOptions& options = request.options;
  options.tasks.clear();
  add_model_arguments(table, request.source);
  add_other_weights_arguments(table, request.source);
  table.add("data", options.data, "packed sets");
  table.add("suite", request.suite, "in place of --data and --task: a file of configs/suites");
  table.add("data-root", request.data_root, "suite: folder that its paths begin in");
  table.add("task", options.tasks, fmt::format("{} [zeroshot], or search", fmt::join(eval_task_names(), ", ")));
  table.add("query", request.queries, "search: texts");
  table.add("matches", request.matches, "search: best images of each text", at_least(1));
  table.add("train-data", options.train_data, "packed set that fewshot and linear_probe learn from");
  table.add("probe", options.probes, "linear_probe: sgd, adamw, lbfgs [sgd]");
  table.add("set", request.settings, "eval.key=value: any other key of [eval] in docs/config.md");
  table.add("view", options.view, "how an image is resized: " + test_views_help());
  table.add("captions", options.captions, "retrieval: all or first");
  table.add("pictures", options.pictures, "kept for the report; of a suite none");
  add_precision_argument(table, request.source);
  add_device_argument(table, request.source);
  table.add("output", request.output,
            "folder for results.json; default: the run folder. Of a search: the HTML page to write");
  add_feature_argument(table, request.source);
  table.add("follow", request.follows, "evaluate every checkpoint of the run as it appears; features are not kept");
  table.add("poll-s", request.poll_s, "follow: seconds between two looks at the run", above(0.0));
  table.add("stop-after-s", request.stop_after_s,
            "follow: end with exit code 75 after so many seconds; 0: with the run",
            in_range(0.0, std::numeric_limits<double>::infinity()));
}

// Which options go together.
void check(const EvalRequest& request) {
  const EvalOptions& options = request.options;
  const bool has_suite = !request.suite.empty();
  if (request.source.model.empty() || (options.data.empty() && !has_suite && !request.follows)) {
    throw input_error("clip_hpc eval needs --model, and --data or --suite");
  }
  if (has_suite && request.follows) throw input_error("--suite looks at one checkpoint: leave --follow out");
  if (has_suite &&
      !(options.data.empty() && options.tasks.empty() && options.train_data.empty() && request.queries.empty())) {
    throw input_error("--suite says what is evaluated: leave --data, --task, --train-data and --query out");
  }
  if (options.data.empty() && (!options.tasks.empty() || !options.train_data.empty())) {
    throw input_error("--follow without --data takes all of [eval] from the run: give --data too, or --set");
  }
  const bool searches = options.tasks == std::vector<std::string>{"search"};
  if (searches && (request.queries.empty() || request.output.empty())) {
    throw input_error("--task search needs --query and --output PAGE.html");
  }
  if (!searches && !request.queries.empty()) {
    throw input_error("--query belongs to --task search, which goes alone");
  }
  if (searches && request.follows) throw input_error("--task search looks at one model: leave --follow out");
  if (request.follows && request.source.weights == "trained" && request.output.empty()) {
    throw input_error("--follow --weights trained needs an --output of its own");
  }
}

// --set on top of what was given, and all of it checked.
void complete(EvalRequest& request) {
  EvalOptions& options = request.options;
  request.asks = !options.data.empty();
  request.searches = options.tasks == std::vector<std::string>{"search"};
  if (options.tasks.empty()) options.tasks = {"zeroshot"};
  if (request.searches) options.tasks.clear();
  OptionTable table;
  describe(table, options);  // with what was given as defaults
  table.parse({}, request.settings);
  request.source.view = options.view;
  if (!request.suite.empty()) options.pictures = 0;  // of so many sets nobody looks at them
}

// The model, and features kept in its run folder where nothing else is said.
OpenedModel open(World& world, const EvalRequest& request) {
  if (request.output.empty() && holds_other_weights(request.source.model)) {
    throw input_error("{} is no run folder: say with --output where the results go", request.source.model);
  }
  OpenedModel opened = open_model(world, request.source);
  const LoadedModel& loaded = opened.loaded;
  if (loaded.averaged) {
    log_info("{}: the averaged weights (--weights trained for the others)", request.source.model);
  }
  if (loaded.has_average && !loaded.averaged && request.output.empty()) {
    throw input_error("--weights trained needs --output: results in {} are those of the average",
                      loaded.folder.path.native());
  }
  const bool is_run = !loaded.folder.path.empty();
  if (opened.feature_folder.empty() && (is_run || !request.searches)) {
    opened.feature_folder = (is_run ? loaded.folder.path : std::filesystem::path(request.output)) / "features";
  }
  return opened;
}

RunFolder results_folder(World& world, const EvalRequest& request, const OpenedModel& opened) {
  RunFolder folder = opened.loaded.folder;
  if (!request.output.empty()) folder.path = request.output;
  check_results_folder(world, folder);
  return folder;
}

// What results call the model: its run folder, or the weights that were named.
std::filesystem::path model_path(const EvalRequest& request, const OpenedModel& opened) {
  const std::filesystem::path& run = opened.loaded.folder.path;
  return run.empty() ? without_slash(request.source.model) : run;
}

int follow_run(World& world, const EvalRequest& request) {
  return follow(world, {.source = request.source,
                        .output = request.output.empty() ? request.source.model : request.output,
                        .options = request.asks ? std::optional(request.options) : std::nullopt,
                        .settings = request.settings,
                        .poll_s = request.poll_s,
                        .stop_after_s = request.stop_after_s});
}

int search_sets(World& world, const EvalRequest& request) {
  check_output(world, request.output);
  const OpenedModel opened = open(world, request);
  std::vector<PackedSet> sets;
  for (const std::string& set : request.options.data) sets.emplace_back(set);
  const auto found = search_images(opened.context(), sets, request.queries, request.matches);
  if (world.rank() == 0) {
    write_file_atomic(request.output, search_page(sets, request.queries, found, request.source.model));
  }
  log_info("the {} best of each of {} queries are in {}", request.matches, request.queries.size(), request.output);
  return kExitDone;
}

int run_suite(World& world, const EvalRequest& request) {
  const Suite suite = read_suite(request.suite, request.data_root, request.options);
  const OrderlyStop between_tasks;
  const OpenedModel opened = open(world, request);
  const RunFolder folder = results_folder(world, request, opened);
  return evaluate_suite(world, opened.context(), suite, folder, opened.loaded.progress,
                        model_path(request, opened).filename().string())
             ? kExitDone
             : kExitStoppedCleanly;
}

int run_tasks(World& world, const EvalRequest& request) {
  const OpenedModel opened = open(world, request);
  const RunFolder folder = results_folder(world, request, opened);
  for (const std::string& set : request.options.data) check_evaluable(PackedSet{set}, request.options);
  const Evaluated outcome =
      evaluate_all(world, opened.context(), request.options, folder, opened.loaded.progress,
                   model_path(request, opened).filename().string(), {{}, model_path(request, opened).native()});
  if (!outcome.failures.empty()) throw Error(outcome.failures[0].kind, outcome.failures[0].text);
  return kExitDone;
}

}  // namespace

int command_eval(World& world, std::span<const std::string> arguments) {
  EvalRequest request;
  ArgumentTable table;
  declare(table, request);
  if (!read_arguments(table, arguments, kEvalUsage, world.rank() == 0)) return kExitDone;
  check(request);
  complete(request);
  if (request.follows) return follow_run(world, request);
  if (request.searches) return search_sets(world, request);
  return request.suite.empty() ? run_tasks(world, request) : run_suite(world, request);
}

}  // namespace clip_hpc
