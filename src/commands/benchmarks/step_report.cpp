#include "commands/benchmarks/step_report.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/clip_model.hpp"

namespace clip_hpc {

void add_step_options(ArgumentTable& table, StepBenchOptions& options) {
  table.add("batch", options.global_batch, "pairs a step, all ranks", at_least(2));
  table.add("device", options.device, "auto, cpu or cuda, as train.device", one_of({"auto", "cpu", "cuda"}));
  table.add("precision", options.precision, "fp32 or bf16", one_of({"fp32", "bf16"}));
  table.add("text-tokens", options.text_tokens, "text positions; 0: the context length", at_least(0));
  table.add("caption-tokens", options.caption_tokens,
            "mean length of captions of many lengths; 0: all fill the text positions", in_range(0.0, 1024.0));
  table.add("pack-captions", options.pack_captions, "leave the padding between them out");
  table.add("mask-ratio", options.strategy.mask_ratio, "FLIP's share of dropped patches", in_range(0.0, 0.99));
  table.add("image-size", options.strategy.image_size, "side of the images, as strategy.image_size; 0: the model's",
            at_least(0));
  table.add("slip", options.slip, "two further views of each image, through strategy.ssl_*'s head");
  std::vector<std::string> losses;
  for (const LossTerm& term : loss_terms()) {
    if (!term.is_extra) losses.emplace_back(term.name);
  }
  table.add("loss", options.strategy.loss, "strategy.loss", one_of(std::move(losses)));
  table.add("micro-batch", options.micro_batch, "pairs a rank has in memory at once; 0: all", at_least(0));
  table.add("loss-columns", options.loss_columns, "columns of the logits at once; 0: all", at_least(0));
  table.add("recompute", options.recompute, "compute blocks again in backward");
  table.add("shard-optimizer", options.shard_optimizer, "each rank keeps a share of the optimizer state");
  table.add("cuda-graph", options.cuda_graph, "record the step once and replay it");
}

void finish_step_options(StepBenchOptions& options, const std::string& model_file) {
  options.strategy.name = options.slip ? "slip" : options.strategy.mask_ratio > 0 ? "flip" : "clip";
  if (options.slip && options.strategy.mask_ratio > 0)
    throw input_error("--slip and --mask-ratio are two strategies: give one");
  options.model = read_model_config(model_file);
  in_range(std::int64_t{0}, ClipModel(options.model).text().context())("--text-tokens", options.text_tokens);
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

void print_ranks(const StepRate& rate) {
  if (rate.ranks.size() < 2) return;
  const auto slow = std::ranges::max_element(rate.ranks, {}, &RankTime::work_ms);
  const auto fast = std::ranges::min_element(rate.ranks, {}, &RankTime::work_ms);
  fmt::print(
      "slowest: rank {} on {} works {:.2f} ms a step; fastest: rank {} on {}, {:.2f} ms\n"
      "gradients, {} bytes in {} buckets: {:.2f} ms alone; features, {} bytes: {:.2f} ms alone\n",
      slow->rank, slow->host, slow->work_ms, fast->rank, fast->host, fast->work_ms, rate.gradient_bytes,
      rate.gradient_buckets, rate.gradients_alone_ms, rate.gather_bytes, rate.gather_alone_ms);
}

namespace {

constexpr double kH100Tflops = 989;  // dense bf16, data sheet: what published utilisations are fractions of

}  // namespace

StepLine line_of(const char* bench, const StepBenchOptions& options, const StepRate& rate, int ranks) {
  StepLine line;
  line.bench = bench;
  line.device = rate.device == "CPU" ? "cpu" : rate.device;
  line.model = options.model.name;
  line.batch = options.global_batch;
  line.precision = options.precision;
  line.mask_ratio = options.strategy.mask_ratio;
  line.image_size = options.strategy.image_size;
  line.slip = options.slip;
  line.text_tokens = rate.text_tokens;
  line.pack_captions = options.caption_tokens > 0 && options.pack_captions;
  line.micro_batch = options.micro_batch;
  line.loss_columns = options.loss_columns;
  line.recompute = options.recompute;
  line.shard_optimizer = options.shard_optimizer;
  line.cuda_graph = options.cuda_graph && rate.graph_refusal.empty();
  line.attention = rate.attention;
  line.comm = rate.comm;
  line.ranks = ranks;
  line.threads = at::get_num_threads();
  line.pairs_per_s = rate.pairs_per_s;
  line.step_ms = rate.step_ms;
  line.data_wait_ms = rate.data_wait_ms;
  line.prepare_ms = rate.prepare_ms;
  line.forward_ms = rate.forward_ms;
  line.backward_ms = rate.backward_ms;
  line.optimizer_ms = rate.optimizer_ms;
  line.comm_wait_ms = rate.comm_wait_ms;
  line.gap_ms = rate.gap_ms;
  line.tflops = rate.tflops;
  line.gemm_tflops = rate.gemm_tflops;
  line.of_gemm = rate.tflops / rate.gemm_tflops;
  line.state_bytes = rate.state_bytes;
  line.rss_bytes = rate.rss_bytes;
  line.device_bytes = rate.device_bytes;
  if (line.device != "cpu") line.mfu = rate.tflops / kH100Tflops;
  line.nodes = rate.nodes;
  line.gradient_bytes = rate.gradient_bytes;
  line.gradient_buckets = rate.gradient_buckets;
  line.gather_bytes = rate.gather_bytes;
  line.gradients_alone_ms = rate.gradients_alone_ms;
  line.gather_alone_ms = rate.gather_alone_ms;
  line.rank_steps = rate.ranks;
  return line;
}

}  // namespace clip_hpc
