#include <ATen/Parallel.h>

#include <algorithm>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/bench/bench_checkpoint.hpp"
#include "clip_hpc/bench/bench_comm.hpp"
#include "clip_hpc/bench/bench_load.hpp"
#include "clip_hpc/bench/bench_loss.hpp"
#include "clip_hpc/bench/bench_step.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage = R"(clip_hpc bench: rates of this machine

  clip_hpc bench step         training steps on random pairs: forward, backward, optimizer
  clip_hpc bench load         reading, decoding and cropping on this node
  clip_hpc bench loss         the softmax loss of one rank in large global batches: time and memory
  clip_hpc bench comm         collectives between the ranks, over sizes
  clip_hpc bench checkpoint   a checkpoint written and read by all ranks

Examples:
  mpirun -np 2 clip_hpc bench step --model configs/models/tiny.json --batch 128
  clip_hpc bench load --threads 4 --json load.jsonl
)";

constexpr const char* kStepUsage = R"(clip_hpc bench step: training steps on random pairs

Example:
  mpirun -np 2 clip_hpc bench step --model configs/models/ViT-S-16.json --batch 64 --precision bf16
)";

constexpr const char* kCheckpointUsage =
    R"(clip_hpc bench checkpoint: a checkpoint of a model, written and read by all ranks

Written as training writes it: master weights, both moments and the weights, each rank its slice, synced to disk. What is
read back comes as a rule out of a page cache.

Example:
  mpirun -np 2 clip_hpc bench checkpoint --model configs/models/tiny.json --dir $SCRATCH/bench_checkpoint
)";

constexpr const char* kLoadUsage = R"(clip_hpc bench load: reading, decoding and cropping on this node

Example:
  clip_hpc bench load --dir $SCRATCH/bench_load --threads 4
  clip_hpc bench load --threads 14 --with-step configs/models/ViT-B-16.json --batch 512 --precision bf16
)";

constexpr const char* kLossUsage =
    R"(clip_hpc bench loss: the softmax loss of one rank in large global batches, time and memory

The keys of the other ranks are simulated. One direction of the loss, forward and backward: all columns of the logits at
once, and a block of them at a time as train.loss_columns does it.

Example:
  clip_hpc bench loss --rows 1024 --global 8192 32768 131072 262144 --columns 8192
)";

constexpr const char* kCommUsage = R"(clip_hpc bench comm: collectives between the ranks, over sizes

algbw is bytes over time, busbw what each link carries, as nccl-tests count them: all-reduce 2 (n - 1) / n of algbw,
all-gather and reduce-scatter (n - 1) / n.

Examples:
  mpirun -np 4 clip_hpc bench comm
  srun --mpi=pmix clip_hpc bench comm --backend mpi --max-mib 64 --json comm.jsonl
)";

void add_json_line(const std::string& path, const Json& line) {
  if (!path.empty()) append_line(path, line.dump());
}

void print_step_head() {
  fmt::print(
      "{:<16} {:>6} {:>9} {:>5} {:>10} {:>9} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8} {:>8}\n",
      "model", "batch", "precision", "ranks", "pairs/s", "step ms", "data", "prepare", "forward", "backward", "optim.",
      "comm", "gaps", "TFLOP/s", "of GEMM", "RSS MiB", "GPU MiB");
}

void print_step(const StepBenchOptions& options, const StepRate& rate, int ranks) {
  fmt::print(
      "{:<16} {:>6} {:>9} {:>5} {:>10.1f} {:>9.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>9.2f} {:>8.2f} {:>8.2f} {:>8.2f} "
      "{:>8.3f} {:>6.0f}% {:>8} {:>8}\n",
      options.model.name, options.global_batch, options.precision, ranks, rate.pairs_per_s, rate.step_ms,
      rate.data_wait_ms, rate.prepare_ms, rate.forward_ms, rate.backward_ms, rate.optimizer_ms, rate.comm_wait_ms,
      rate.gap_ms, rate.tflops, 100 * rate.tflops / rate.gemm_tflops, rate.rss_bytes >> 20, rate.device_bytes >> 20);
  if (!rate.graph_refusal.empty()) fmt::print("no graph: {}\n", rate.graph_refusal);
}

// Who works longest, and what of the exchanges a step hides.
void print_ranks(const StepRate& rate) {
  if (rate.ranks.size() < 2) return;
  const auto slow = std::ranges::max_element(rate.ranks, {}, &RankSteps::work_ms);
  const auto fast = std::ranges::min_element(rate.ranks, {}, &RankSteps::work_ms);
  fmt::print(
      "slowest: rank {} on {} works {:.2f} ms a step; fastest: rank {} on {}, {:.2f} ms\n"
      "gradients, {} bytes in {} buckets: {:.2f} ms alone; features, {} bytes: {:.2f} ms alone\n",
      slow->rank, slow->host, slow->work_ms, fast->rank, fast->host, fast->work_ms, rate.gradient_bytes,
      rate.gradient_buckets, rate.gradients_alone_ms, rate.gather_bytes, rate.gather_alone_ms);
}

constexpr double kH100Tflops = 989;  // dense bf16, data sheet: what published utilisations are shares of

Json json_of(const char* bench, const StepBenchOptions& options, const StepRate& rate, int ranks) {
  const bool is_cpu = rate.device == "CPU";
  Json json = {{"bench", bench},
               {"device", is_cpu ? "cpu" : rate.device},
               {"model", options.model.name},
               {"batch", options.global_batch},
               {"precision", options.precision},
               {"mask_ratio", options.strategy.mask_ratio},
               {"text_tokens", rate.text_tokens},
               {"pack_captions", options.caption_tokens > 0 && options.pack_captions},
               {"micro_batch", options.micro_batch},
               {"loss_columns", options.loss_columns},
               {"recompute", options.recompute},
               {"shard_optimizer", options.shard_optimizer},
               {"cuda_graph", options.cuda_graph && rate.graph_refusal.empty()},
               {"attention", rate.attention},
               {"comm", rate.comm},
               {"ranks", ranks},
               {"threads", at::get_num_threads()},
               {"pairs_per_s", rate.pairs_per_s},
               {"step_ms", rate.step_ms},
               {"data_wait_ms", rate.data_wait_ms},
               {"prepare_ms", rate.prepare_ms},
               {"forward_ms", rate.forward_ms},
               {"backward_ms", rate.backward_ms},
               {"optimizer_ms", rate.optimizer_ms},
               {"comm_wait_ms", rate.comm_wait_ms},
               {"gap_ms", rate.gap_ms},
               {"tflops", rate.tflops},
               {"gemm_tflops", rate.gemm_tflops},
               {"of_gemm", rate.tflops / rate.gemm_tflops},
               {"state_bytes", rate.state_bytes},
               {"rss_bytes", rate.rss_bytes},
               {"device_bytes", rate.device_bytes}};
  if (!is_cpu) json["mfu"] = rate.tflops / kH100Tflops;
  json["nodes"] = rate.nodes;
  json["gradient_bytes"] = rate.gradient_bytes;
  json["gradient_buckets"] = rate.gradient_buckets;
  json["gather_bytes"] = rate.gather_bytes;
  json["gradients_alone_ms"] = rate.gradients_alone_ms;
  json["gather_alone_ms"] = rate.gather_alone_ms;
  json["rank_steps"] = Json::array();
  for (const RankSteps& one : rate.ranks) {
    json["rank_steps"].push_back({{"rank", one.rank},
                                  {"host", one.host},
                                  {"step_ms", one.step_ms},
                                  {"work_ms", one.work_ms},
                                  {"comm_wait_ms", one.comm_wait_ms},
                                  {"data_wait_ms", one.data_wait_ms},
                                  {"least_work_ms", one.least_work_ms},
                                  {"median_work_ms", one.median_work_ms},
                                  {"most_work_ms", one.most_work_ms}});
  }
  return json;
}

// The words that `bench step` and `bench load --with-step` share.
void add_step_words(po::options_description& words, StepBenchOptions& options) {
  words.add_options()("batch", po::value(&options.global_batch)->default_value(options.global_batch),
                      "pairs a step, all ranks")("device", po::value(&options.device)->default_value(options.device),
                                                 "auto, cpu or cuda, as train.device")(
      "precision", po::value(&options.precision)->default_value(options.precision), "fp32 or bf16")(
      "text-tokens", po::value(&options.text_tokens)->default_value(0), "text positions; 0: the context length")(
      "caption-tokens", po::value(&options.caption_tokens)->default_value(0),
      "mean length of captions of many lengths; 0: all fill the text positions")(
      "pack-captions", po::value(&options.pack_captions)->default_value(true), "leave the padding between them out")(
      "mask-ratio", po::value(&options.strategy.mask_ratio)->default_value(0), "FLIP's share of dropped patches")(
      "micro-batch", po::value(&options.micro_batch)->default_value(0), "pairs a rank has in memory at once; 0: all")(
      "loss-columns", po::value(&options.loss_columns)->default_value(0), "columns of the logits at once; 0: all")(
      "recompute", po::bool_switch(&options.recompute), "compute blocks again in backward")(
      "shard-optimizer", po::bool_switch(&options.shard_optimizer), "each rank keeps a share of the optimizer state")(
      "cuda-graph", po::bool_switch(&options.cuda_graph), "record the step once and replay it");
}

void check_step_words(StepBenchOptions& options, const std::string& model) {
  one_of({"auto", "cpu", "cuda"})("--device", options.device);
  one_of({"fp32", "bf16"})("--precision", options.precision);
  at_least(2)("--batch", options.global_batch);
  at_least(0)("--micro-batch", options.micro_batch);
  at_least(0)("--loss-columns", options.loss_columns);
  in_range(0.0, 1024.0)("--caption-tokens", options.caption_tokens);
  in_range(0.0, 0.99)("--mask-ratio", options.strategy.mask_ratio);
  options.strategy.name = options.strategy.mask_ratio > 0 ? "flip" : "clip";
  options.model = read_model_config(model);
  in_range(std::int64_t{0}, ClipModel(options.model).text().context())("--text-tokens", options.text_tokens);
}

int run_step(World& world, std::span<const std::string> arguments) {
  StepBenchOptions options;
  std::string model = "configs/models/tiny.json", json, label, data;
  std::int64_t threads = 0;
  options.strategy.mask_ratio = 0;
  po::options_description words("Options");
  words.add_options()("model", po::value(&model)->default_value(model), "model JSON");
  add_step_words(words, options);
  words.add_options()("threads", po::value(&threads)->default_value(0),
                      "compute threads a rank; 0: cores / ranks of the node")(
      "seconds", po::value(&options.seconds)->default_value(options.seconds), "measured time")(
      "data", po::value(&data), "packed set that a loader reads, instead of one batch over and over")(
      "workers", po::value(&options.workers)->default_value(options.workers), "reading threads of --data")(
      "label", po::value(&label), "a word for the line of --json")("json", po::value(&json),
                                                                   "append one line to this file");
  if (!read_words(arguments, words, kStepUsage, world.rank() == 0)) return kExitDone;
  check_step_words(options, model);
  in_range(0.1, 86400.0)("--seconds", options.seconds);
  in_range(std::int64_t{1}, std::int64_t{1024})("--workers", options.workers);
  options.data = data;
  at::set_num_threads(compute_threads(world, threads));
  keep_freed_memory();  // as training does
  const StepRate rate = bench_step(world, options);
  if (world.rank() != 0) return kExitDone;
  fmt::print("device: {}; attention: {}; tensors by: {}; GEMM: {:.3g} TFLOP/s; threads: {}\n", rate.device,
             rate.attention, rate.comm, rate.gemm_tflops, at::get_num_threads());
  print_step_head();
  print_step(options, rate, world.size());
  print_ranks(rate);
  Json line = json_of("step", options, rate, world.size());
  if (!label.empty()) line["label"] = label;
  add_json_line(json, line);
  return kExitDone;
}

int run_load(World& world, std::span<const std::string> arguments) {
  LoadBenchOptions options;
  StepBenchOptions step;
  std::string folder = "bench_load_scratch", json, with_step;
  step.strategy.mask_ratio = 0;
  po::options_description words("Options"), step_words("Options of --with-step");
  add_step_words(step_words, step);
  words.add_options()("dir", po::value(&folder)->default_value(folder), "scratch folder: made, and removed at the end")(
      "samples", po::value(&options.samples)->default_value(options.samples), "pictures that are made to read")(
      "threads", po::value(&options.threads)->default_value(options.threads), "reading threads")(
      "seconds", po::value(&options.seconds)->default_value(options.seconds), "time of one measurement")(
      "with-step", po::value(&with_step), "model JSON: also train on the pictures while they are read")(
      "json", po::value(&json), "append one line a measurement to this file");
  words.add(step_words);
  if (!read_words(arguments, words, kLoadUsage, world.rank() == 0)) return kExitDone;
  if (!with_step.empty()) check_step_words(step, with_step);
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
  if (with_step.empty()) return kExitDone;

  // The step alone, and with the loader beside it: what the step loses, and how long it waits for pictures.
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();
  step.seconds = options.seconds;
  const StepRate alone = bench_step(world, step);
  const ScratchSet scratch(options);
  step.data = options.folder;
  step.workers = options.threads;
  const StepRate fed = bench_step(world, step);
  fmt::print("\nThe step on one batch, and on pictures that {} threads read meanwhile:\n", options.threads);
  print_step_head();
  print_step(step, alone, 1);
  print_step(step, fed, 1);
  fmt::print("the step waits for pictures {:.1f} % of the time\n", 100 * fed.data_wait_ms / fed.step_ms);
  add_json_line(json, json_of("load_step_alone", step, alone, 1));
  add_json_line(json, json_of("load_with_step", step, fed, 1));
  return kExitDone;
}

int run_loss(World& world, std::span<const std::string> arguments) {
  std::vector<std::int64_t> globals;
  std::int64_t rows = 1024, dim = 512, columns = 8192, threads = 0;
  double seconds = 2, plain_limit_mib = 2048;
  std::string json, device_word = "auto";
  po::options_description words("Options");
  words.add_options()("global", po::value(&globals)->multitoken(), "global batches [8192 32768 131072 262144]")(
      "rows", po::value(&rows)->default_value(rows), "rows of this rank")("dim", po::value(&dim)->default_value(dim),
                                                                          "width of the features")(
      "columns", po::value(&columns)->default_value(columns), "columns at a time")(
      "device", po::value(&device_word)->default_value(device_word), "auto, cpu or cuda")(
      "plain-limit-mib", po::value(&plain_limit_mib)->default_value(plain_limit_mib),
      "leave the plain loss out where its logits are larger")("threads", po::value(&threads)->default_value(0),
                                                              "compute threads; 0: all cores")(
      "seconds", po::value(&seconds)->default_value(seconds), "time of one measurement")(
      "json", po::value(&json), "append one line a measurement to this file");
  if (!read_words(arguments, words, kLossUsage, world.rank() == 0)) return kExitDone;
  if (world.size() > 1) throw input_error("clip_hpc bench loss measures one process: start it without mpirun");
  if (globals.empty()) globals = {8192, 32768, 131072, 262144};
  at_least(1)("--rows", rows);
  at_least(1)("--dim", dim);
  at_least(1)("--columns", columns);
  in_range(0.01, 86400.0)("--seconds", seconds);
  for (const std::int64_t global : globals) at_least(rows)("--global", global);
  one_of({"auto", "cpu", "cuda"})("--device", device_word);
  const ComputeDevice device = choose_device(world, device_word);
  at::set_num_threads(compute_threads(world, threads));
  fmt::print("{:>9} {:>6} {:>5} {:>9} {:>11} {:>12} {:>10} {:>11}\n", "global", "rows", "dim", "columns", "forward ms",
             "backward ms", "peak MiB", "difference");
  for (const std::int64_t global : globals) {
    for (const LossRate& rate :
         bench_loss(global, rows, dim, columns, seconds, plain_limit_mib * 1048576.0, device.device)) {
      fmt::print("{:>9} {:>6} {:>5} {:>9} {:>11.2f} {:>12.2f} {:>10.0f} {:>11.1e}\n", rate.global, rate.rows, rate.dim,
                 rate.columns == 0 ? "all" : std::to_string(rate.columns), rate.forward_ms, rate.backward_ms,
                 rate.peak_bytes / 1048576.0, rate.largest_difference);
      add_json_line(json, {{"bench", "loss"},
                           {"device", device.is_cpu() ? "cpu" : device.description},
                           {"global", rate.global},
                           {"rows", rate.rows},
                           {"dim", rate.dim},
                           {"columns", rate.columns},
                           {"threads", at::get_num_threads()},
                           {"forward_ms", rate.forward_ms},
                           {"backward_ms", rate.backward_ms},
                           {"peak_bytes", rate.peak_bytes},
                           {"largest_difference", rate.largest_difference}});
    }
  }
  return kExitDone;
}

int run_comm(World& world, std::span<const std::string> arguments) {
  CommOptions options;
  double min_kib = 1, max_mib = 16, seconds = 0.2;
  std::string json, device_word = "auto";
  po::options_description words("Options");
  words.add_options()("backend", po::value(&options.backend)->default_value(options.backend), "auto, self, mpi, nccl")(
      "device", po::value(&device_word)->default_value(device_word), "where the tensors lie: auto, cpu, cuda")(
      "min-kib", po::value(&min_kib)->default_value(min_kib), "smallest message")(
      "max-mib", po::value(&max_mib)->default_value(max_mib), "largest message; sizes grow by 4")(
      "seconds", po::value(&seconds)->default_value(seconds), "time of one measurement")(
      "json", po::value(&json), "append one line a measurement to this file");
  if (!read_words(arguments, words, kCommUsage, world.rank() == 0)) return kExitDone;
  one_of({"auto", "self", "mpi", "nccl"})("--backend", options.backend);
  in_range(0.004, 1e6)("--min-kib", min_kib);
  in_range(min_kib / 1024.0, 65536.0)("--max-mib", max_mib);
  in_range(0.001, 86400.0)("--seconds", seconds);
  one_of({"auto", "cpu", "cuda"})("--device", device_word);
  const ComputeDevice device = choose_device(world, device_word);
  const auto comm = make_communicator(world, options, device);
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  const std::size_t nodes = std::set<std::string>(hosts.begin(), hosts.end()).size();
  if (world.rank() == 0) {
    fmt::print("{} communicator, {} ranks\n{:<16} {:>12} {:>7} {:>11} {:>12} {:>12} {:>6}\n", comm->name(),
               comm->size(), "operation", "bytes", "rounds", "us", "algbw MB/s", "busbw MB/s", "wrong");
  }
  for (double bytes = min_kib * 1024.0; bytes <= max_mib * 1048576.0; bytes *= 4) {
    for (const CommRate& rate : bench_comm(world, *comm, static_cast<std::int64_t>(bytes), seconds, device.device)) {
      if (world.rank() != 0) continue;
      fmt::print("{:<16} {:>12} {:>7} {:>11.2f} {:>12.1f} {:>12.1f} {:>6}\n", rate.operation, rate.bytes, rate.rounds,
                 rate.us, rate.algbw_mb_s, rate.busbw_mb_s, rate.wrong);
      add_json_line(json, {{"bench", "comm"},
                           {"backend", comm->name()},
                           {"device", device.is_cpu() ? "cpu" : device.description},
                           {"ranks", comm->size()},
                           {"nodes", nodes},
                           {"operation", rate.operation},
                           {"bytes", rate.bytes},
                           {"us", rate.us},
                           {"algbw_mb_s", rate.algbw_mb_s},
                           {"busbw_mb_s", rate.busbw_mb_s},
                           {"wrong", rate.wrong}});
    }
  }
  return kExitDone;
}

int run_checkpoint(World& world, std::span<const std::string> arguments) {
  CheckpointBenchOptions options;
  std::string model = "configs/models/tiny.json", folder = "bench_checkpoint_scratch", json;
  po::options_description words("Options");
  words.add_options()("model", po::value(&model)->default_value(model), "model JSON")(
      "dir", po::value(&folder)->default_value(folder),
      "scratch folder that all ranks see: made, and removed at the end")(
      "rounds", po::value(&options.rounds)->default_value(options.rounds), "that are measured")(
      "shard-optimizer", po::bool_switch(&options.shard_optimizer), "each rank keeps a share of the optimizer state")(
      "json", po::value(&json), "append one line to this file");
  if (!read_words(arguments, words, kCheckpointUsage, world.rank() == 0)) return kExitDone;
  in_range(std::int64_t{1}, std::int64_t{1000})("--rounds", options.rounds);
  options.model = read_model_config(model);
  options.folder = folder;
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  const CheckpointRate rate = bench_checkpoint(world, options);
  if (world.rank() != 0) return kExitDone;
  const auto mib_per_s = [&](double ms) { return static_cast<double>(rate.bytes) / 1048576.0 / (1e-3 * ms); };
  fmt::print("{:<16} {:>6} {:>10} {:>10} {:>12} {:>10} {:>12}\n", "model", "ranks", "MiB", "write ms", "write MiB/s",
             "read ms", "read MiB/s");
  fmt::print("{:<16} {:>6} {:>10.1f} {:>10.1f} {:>12.1f} {:>10.1f} {:>12.1f}\n", options.model.name, world.size(),
             static_cast<double>(rate.bytes) / 1048576.0, rate.write_ms, mib_per_s(rate.write_ms), rate.read_ms,
             mib_per_s(rate.read_ms));
  add_json_line(json, {{"bench", "checkpoint"},
                       {"model", options.model.name},
                       {"ranks", world.size()},
                       {"nodes", std::set<std::string>(hosts.begin(), hosts.end()).size()},
                       {"shard_optimizer", options.shard_optimizer},
                       {"bytes", rate.bytes},
                       {"write_ms", rate.write_ms},
                       {"read_ms", rate.read_ms}});
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
  if (word == "loss") return run_loss(world, arguments.subspan(1));
  if (word == "comm") return run_comm(world, arguments.subspan(1));
  if (word == "checkpoint") return run_checkpoint(world, arguments.subspan(1));
  throw input_error("unknown benchmark \"{}\"; did you mean \"{}\"?", word,
                    nearest_word(word, {"step", "load", "loss", "comm", "checkpoint"}));
}

}  // namespace clip_hpc
