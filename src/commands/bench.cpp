#include <ATen/Parallel.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/bench_load.hpp"
#include "clip_hpc/train/bench_step.hpp"
#include "clip_hpc/train/session.hpp"
#include "words.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage = R"(clip_hpc bench: rates of this machine

  clip_hpc bench step   training steps on random pairs: forward, backward, optimizer
  clip_hpc bench load   reading, decoding and cropping on this node

Examples:
  mpirun -np 2 clip_hpc bench step --model configs/models/tiny.json --batch 128
  clip_hpc bench load --threads 4 --json load.jsonl
)";

constexpr const char* kStepUsage = R"(clip_hpc bench step: training steps on random pairs

Example:
  mpirun -np 2 clip_hpc bench step --model configs/models/ViT-S-16.json --batch 64 --precision bf16
)";

constexpr const char* kLoadUsage = R"(clip_hpc bench load: reading, decoding and cropping on this node

Example:
  clip_hpc bench load --dir $SCRATCH/bench_load --threads 4
)";

void add_json_line(const std::string& path, const Json& line) {
  if (!path.empty()) append_line(path, line.dump());
}

int run_step(World& world, std::span<const std::string> arguments) {
  StepBenchOptions options;
  std::string model = "configs/models/tiny.json", json;
  std::int64_t threads = 0;
  options.strategy.mask_ratio = 0;
  po::options_description words("Options");
  words.add_options()("model", po::value(&model)->default_value(model), "model JSON")(
      "batch", po::value(&options.global_batch)->default_value(options.global_batch), "pairs a step, all ranks")(
      "precision", po::value(&options.precision)->default_value(options.precision), "fp32 or bf16")(
      "text-tokens", po::value(&options.text_tokens)->default_value(0), "text positions; 0: the context length")(
      "mask-ratio", po::value(&options.strategy.mask_ratio)->default_value(0), "FLIP's share of dropped patches")(
      "threads", po::value(&threads)->default_value(0), "compute threads a rank; 0: cores / ranks of the node")(
      "seconds", po::value(&options.seconds)->default_value(options.seconds), "measured time")(
      "json", po::value(&json), "append one line to this file");
  if (!read_words(arguments, words, kStepUsage, world.rank() == 0)) return kExitDone;
  one_of({"fp32", "bf16"})("--precision", options.precision);
  at_least(2)("--batch", options.global_batch);
  in_range(0.0, 0.99)("--mask-ratio", options.strategy.mask_ratio);
  in_range(0.1, 86400.0)("--seconds", options.seconds);
  options.strategy.name = options.strategy.mask_ratio > 0 ? "flip" : "clip";
  options.model = read_model_config(model);
  in_range(std::int64_t{0}, options.model.text.context_length)("--text-tokens", options.text_tokens);
  at::set_num_threads(compute_threads(world, threads));
  const StepRate rate = bench_step(world, options);
  if (world.rank() != 0) return kExitDone;
  fmt::print("{:<20} {:>6} {:>10} {:>6} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7} {:>8}\n", "model",
             "batch", "precision", "ranks", "threads", "pairs/s", "step ms", "prepare", "forward", "backward",
             "optimizer", "TFLOP/s", "of GEMM", "RSS MiB");
  fmt::print(
      "{:<20} {:>6} {:>10} {:>6} {:>8} {:>10.1f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>8.3f} {:>6.0f}% "
      "{:>8}\n",
      options.model.name, options.global_batch, options.precision, world.size(), at::get_num_threads(),
      rate.pairs_per_s, rate.step_ms, rate.prepare_ms, rate.forward_ms, rate.backward_ms, rate.optimizer_ms,
      rate.tflops, 100 * rate.tflops / rate.gemm_tflops, rate.rss_bytes >> 20);
  add_json_line(json, {{"bench", "step"},
                       {"device", "cpu"},
                       {"model", options.model.name},
                       {"batch", options.global_batch},
                       {"precision", options.precision},
                       {"mask_ratio", options.strategy.mask_ratio},
                       {"ranks", world.size()},
                       {"threads", at::get_num_threads()},
                       {"pairs_per_s", rate.pairs_per_s},
                       {"step_ms", rate.step_ms},
                       {"prepare_ms", rate.prepare_ms},
                       {"forward_ms", rate.forward_ms},
                       {"backward_ms", rate.backward_ms},
                       {"optimizer_ms", rate.optimizer_ms},
                       {"comm_wait_ms", rate.comm_wait_ms},
                       {"tflops", rate.tflops},
                       {"gemm_tflops", rate.gemm_tflops},
                       {"mfu", rate.tflops / rate.gemm_tflops},
                       {"rss_bytes", rate.rss_bytes}});
  return kExitDone;
}

int run_load(World& world, std::span<const std::string> arguments) {
  LoadBenchOptions options;
  std::string folder = "bench_load_scratch", json;
  po::options_description words("Options");
  words.add_options()("dir", po::value(&folder)->default_value(folder), "scratch folder: made, and removed at the end")(
      "samples", po::value(&options.samples)->default_value(options.samples), "pictures that are made to read")(
      "threads", po::value(&options.threads)->default_value(options.threads), "reading threads")(
      "seconds", po::value(&options.seconds)->default_value(options.seconds), "time of one measurement")(
      "json", po::value(&json), "append one line a measurement to this file");
  if (!read_words(arguments, words, kLoadUsage, world.rank() == 0)) return kExitDone;
  if (world.size() > 1) throw input_error("clip_hpc bench load measures one node: start it without mpirun");
  if (options.threads < 1 || options.samples < 1) throw input_error("--threads and --samples must be at least 1");
  in_range(0.01, 86400.0)("--seconds", options.seconds);
  options.folder = folder;
  fmt::print("{:<36} {:>8} {:>14} {:>12}\n", "what", "threads", "samples/s", "MiB/s");
  std::vector<LoadRate> rates{bench_raw_read(options), bench_turbojpeg(options), bench_jpeg_read(options),
                              bench_jpeg_batches(options)};
  rates.push_back(bench_view("resize", 256, 3, 224, options.seconds));
  rates.push_back(bench_view("crop_flip", 256, 3, 224, options.seconds));
  rates.push_back(bench_view("drawing", 32, 1, 32, options.seconds));
  for (const LoadRate& rate : rates) {
    fmt::print("{:<36} {:>8} {:>14.0f} {:>12.1f}\n", rate.name, rate.threads, rate.samples_per_s, rate.mib_per_s);
    add_json_line(json, {{"bench", "load"},
                         {"what", rate.name},
                         {"threads", rate.threads},
                         {"samples_per_s", rate.samples_per_s},
                         {"mib_per_s", rate.mib_per_s}});
  }
  return kExitDone;
}

}  // namespace

int command_bench(World& world, std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    if (world.rank() == 0) fmt::print("{}", kUsage);
    return kExitDone;
  }
  if (word == "step") return run_step(world, arguments.subspan(1));
  if (word == "load") return run_load(world, arguments.subspan(1));
  throw input_error("unknown benchmark \"{}\"; did you mean \"{}\"?", word, nearest_word(word, {"step", "load"}));
}

}  // namespace clip_hpc
