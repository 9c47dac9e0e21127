#include "commands/benchmarks/step_report.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "clip_hpc/config/rows.hpp"
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
  table.add("loss", options.strategy.loss, "strategy.loss", one_of(names_of(loss_terms())));
  table.add("micro-batch", options.micro_batch, "pairs a rank has in memory at once; 0: all", at_least(0));
  table.add("loss-columns", options.loss_columns, "columns of the logits at once; 0: all", at_least(0));
  table.add("recompute", options.recompute, "compute blocks again in backward");
  table.add("shard-optimizer", options.shard_optimizer, "each rank keeps a share of the optimizer state");
  table.add("cuda-graph", options.cuda_graph, "record the step once and replay it");
}

void finish_step_options(StepBenchOptions& options, const std::string& model_file) {
  options.strategy.name = options.strategy.mask_ratio > 0 ? "flip" : "clip";
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
  const auto slow = std::ranges::max_element(rate.ranks, {}, &RankSteps::work_ms);
  const auto fast = std::ranges::min_element(rate.ranks, {}, &RankSteps::work_ms);
  fmt::print(
      "slowest: rank {} on {} works {:.2f} ms a step; fastest: rank {} on {}, {:.2f} ms\n"
      "gradients, {} bytes in {} buckets: {:.2f} ms alone; features, {} bytes: {:.2f} ms alone\n",
      slow->rank, slow->host, slow->work_ms, fast->rank, fast->host, fast->work_ms, rate.gradient_bytes,
      rate.gradient_buckets, rate.gradients_alone_ms, rate.gather_bytes, rate.gather_alone_ms);
}

namespace {

constexpr double kH100Tflops = 989;  // dense bf16, data sheet: what published utilisations are fractions of

}  // namespace

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

}  // namespace clip_hpc
