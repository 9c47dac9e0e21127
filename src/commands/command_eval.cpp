#include <ATen/Parallel.h>

#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/eval/jobs/evaluate_suite.hpp"
#include "clip_hpc/eval/jobs/follow.hpp"
#include "clip_hpc/eval/search.hpp"
#include "clip_hpc/eval/suite.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc eval: zero-shot accuracy, retrieval, few-shot regression and linear probes of a trained model

Examples:
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --data packed/glyphs/test_letters
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --task linear_probe fewshot --probe sgd adamw \
    --train-data packed/glyphs/train --data packed/glyphs/test_faces packed/glyphs/test_pairs
  clip_hpc eval --model runs/quickstart/letters --data packed/glyphs/test_faces --task search \
    --query "a red heart" "a smiling cat" --output hearts.html
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --follow
  mpirun -np 2 clip_hpc eval --model runs/quickstart/letters --suite configs/suites/embedded.cfg
  mpirun -np 16 clip_hpc eval --model runs/vit_s --suite configs/suites/paper.cfg --data-root /data/packed --output eval/vit_s

--follow evaluates every checkpoint of a run as it appears, on [eval] of the run's config.cfg unless --data is given, and
ends with the run. Results go into results_follow.json, which the report reads beside results.json. USR1 or TERM stop it
with exit code 75: the same command goes on.

A suite evaluates on many sets in one job: what is not below --data-root is skipped aloud, what is done is not done
again. It writes results.json, and clip_benchmark/*.json for `clip_benchmark build` (docs/evaluation.md).

Features of a set are computed once and kept in MODEL/features.
)";

}  // namespace

int command_eval(World& world, std::span<const std::string> arguments) {
  std::string path, output, features, suite_file, data_root = "data/packed", precision = "auto", device_word = "auto";
  std::string weights = "auto";
  std::vector<std::string> keys;
  std::vector<std::string> queries;
  std::int64_t matches = 24;
  bool follows = false;
  double poll_s = 30, stop_after_s = 0;
  EvalOptions options;
  options.tasks.clear();
  po::options_description words("Options");
  words.add_options()("model", po::value(&path), "run folder (its newest complete checkpoint) or checkpoint folder")(
      "data", po::value(&options.data)->multitoken(), "packed sets")(
      "suite", po::value(&suite_file), "in place of --data and --task: a file of configs/suites")(
      "data-root", po::value(&data_root)->default_value(data_root), "suite: folder that its paths begin in")(
      "task", po::value(&options.tasks)->multitoken(),
      "zeroshot, retrieval, fewshot, linear_probe [zeroshot], or search")("query", po::value(&queries)->multitoken(),
                                                                          "search: texts")(
      "matches", po::value(&matches)->default_value(matches), "search: best images of each text")(
      "train-data", po::value(&options.train_data), "packed set that fewshot and linear_probe learn from")(
      "probe", po::value(&options.probes)->multitoken(), "linear_probe: sgd, adamw, lbfgs [sgd]")(
      "set", po::value(&keys)->multitoken(), "eval.key=value: any other key of [eval] in docs/config.md")(
      "view", po::value(&options.view)->default_value(options.view), "resize, eval, eval_longest, eval_squash")(
      "captions", po::value(&options.captions)->default_value(options.captions), "retrieval: all or first")(
      "pictures", po::value(&options.pictures)->default_value(options.pictures),
      "kept for the report; of a suite none")("precision", po::value(&precision)->default_value(precision),
                                              "fp32, bf16, or auto: that of the run")(
      "weights", po::value(&weights)->default_value(weights),
      "trained, ema (their average, of a run with optim.ema), or auto: the average where there is one")(
      "device", po::value(&device_word)->default_value(device_word), "auto, cpu or cuda, as train.device")(
      "output", po::value(&output),
      "folder for results.json; default: the run folder. Of a search: the HTML page to write")(
      "feature-dir", po::value(&features), "folder where features are kept; default: features in the run folder")(
      "follow", po::bool_switch(&follows), "evaluate every checkpoint of the run as it appears; features are not kept")(
      "poll-s", po::value(&poll_s)->default_value(poll_s), "follow: seconds between two looks at the run")(
      "stop-after-s", po::value(&stop_after_s)->default_value(stop_after_s),
      "follow: end with exit code 75 after so many seconds; 0: with the run");
  if (!read_words(arguments, words, kUsage, world.rank() == 0)) return kExitDone;
  const bool has_suite = !suite_file.empty();
  if (path.empty() || (options.data.empty() && !has_suite && !follows)) {
    throw input_error("clip_hpc eval needs --model, and --data or --suite");
  }
  if (has_suite && follows) throw input_error("--suite looks at one checkpoint: leave --follow out");
  if (has_suite && !(options.data.empty() && options.tasks.empty() && options.train_data.empty() && queries.empty())) {
    throw input_error("--suite says what is evaluated: leave --data, --task, --train-data and --query out");
  }
  const bool asks = !options.data.empty();
  if (!asks && (!options.tasks.empty() || !options.train_data.empty())) {
    throw input_error("--follow without --data takes all of [eval] from the run: give --data too, or --set");
  }
  above(0.0)("--poll-s", poll_s);
  if (!(stop_after_s >= 0)) throw input_error("--stop-after-s must be at least 0, got {}", stop_after_s);
  if (options.tasks.empty()) options.tasks = {"zeroshot"};
  const bool searches = options.tasks == std::vector<std::string>{"search"};
  if (searches) {
    options.tasks.clear();
    if (queries.empty() || output.empty()) throw input_error("--task search needs --query and --output PAGE.html");
    at_least(1)("--matches", matches);
  } else if (!queries.empty()) {
    throw input_error("--query belongs to --task search, which goes alone");
  }
  OptionTable table;
  describe(table, options);  // with what was given as defaults
  table.parse({}, keys);     // checks it all
  std::optional<Suite> suite;
  if (has_suite) {
    options.pictures = 0;  // of so many sets nobody looks at them
    suite = read_suite(suite_file, data_root, options);
    install_shutdown_signals();
  }
  one_of({"auto", "fp32", "bf16"})("--precision", precision);
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();  // a probe's steps ask for the same tensors again and again
  one_of({"auto", "cpu", "cuda"})("--device", device_word);
  const ComputeDevice device = choose_device(world, device_word);
  one_of({"auto", "trained", "ema"})("--weights", weights);
  if (follows) {
    if (searches) throw input_error("--task search looks at one model: leave --follow out");
    if (weights == "trained" && output.empty())
      throw input_error("--follow --weights trained needs an --output of its own");
    return follow(world,
                  {.run = RunFolder{path},
                   .output = output.empty() ? path : output,
                   .options = asks ? std::optional(options) : std::nullopt,
                   .settings = keys,
                   .feature_folder = features,
                   .precision = precision,
                   .weights = weights,
                   .poll_s = poll_s,
                   .stop_after_s = stop_after_s},
                  device);
  }
  const LoadedModel loaded = load_model(path, precision, device.device, weights);
  if (loaded.averaged) log_info("{}: the averaged weights (--weights trained for the others)", path);
  if (loaded.has_average && !loaded.averaged && output.empty()) {
    throw input_error("--weights trained needs --output: results in {} are those of the average",
                      loaded.folder.path.native());
  }
  RunFolder folder = loaded.folder;
  if (!output.empty() && !searches) folder.path = output;
  if (world.rank() == 0) std::filesystem::create_directories(folder.path);
  const auto comm = make_communicator(world, {});
  const EvalContext context{*comm, *loaded.model, *loaded.tokenizer, options.view,
                            features.empty() ? loaded.folder.path / "features" : std::filesystem::path(features)};
  if (searches) {
    std::vector<PackedSet> sets;
    for (const std::string& set : options.data) sets.emplace_back(set);
    const auto found = search_images(context, sets, queries, matches);
    if (world.rank() == 0) write_file_atomic(output, search_page(sets, queries, found, path));
    log_info("the {} best of each of {} queries are in {}", matches, queries.size(), output);
    return kExitDone;
  }
  const std::string run_name = loaded.folder.path.filename().string();
  if (suite) {
    return evaluate_suite(world, context, *suite, folder, loaded.progress, run_name) ? kExitDone : kExitStoppedCleanly;
  }
  for (const std::string& set : options.data) check_evaluable(PackedSet{set}, options);
  const Evaluated outcome =
      evaluate_all(world, context, options, folder, loaded.progress, run_name, {{}, loaded.folder.path.native()});
  if (!outcome.failures.empty()) throw Error(outcome.failures[0].kind, outcome.failures[0].text);
  return kExitDone;
}

}  // namespace clip_hpc
