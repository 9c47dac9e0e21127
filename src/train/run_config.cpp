#include "clip_hpc/train/run_config.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kLargestBatch = std::int64_t{1} << 24;
constexpr double kMostEpochs = 1e6;

Check<double> epochs_check() {
  return {[](const std::string& name, double epochs) {
            above(0.0)(name, epochs);
            if (epochs > kMostEpochs) throw input_error("{} must be at most {}, got {}", name, kMostEpochs, epochs);
          },
          fmt::format("above 0 to {}", kMostEpochs)};
}

}  // namespace

void describe(OptionTable& table, TrainOptions& options) {
  table.add("train.samples", options.samples, "samples seen in training; 0: given by epochs",
            in_range(std::int64_t{0}, kMostSamples));
  table.add("train.epochs", options.epochs, "passes over the training data, where samples is 0", epochs_check());
  table.add("train.global_batch", options.global_batch, "pairs a step, over all ranks together",
            in_range(std::int64_t{2}, kLargestBatch));
  table.add("train.micro_batch", options.micro_batch,
            "pairs a rank has in memory at once: the same gradient for one more forward pass; 0: all of its pairs",
            at_least(0));
  table.add("train.loss_columns", options.loss_columns,
            "columns of the logits in memory at once, computed again in backward where the global batch is larger; 0: "
            "all. distill keeps all",
            at_least(0));
  table.add("train.recompute", options.recompute,
            "keep only the input of each block and compute the block again in backward");
  table.add("train.device", options.device,
            "`cpu`, `cuda` (the GPU of the rank's place among the ranks of its node), or `auto`: cuda where every rank "
            "has one",
            one_of({"auto", "cpu", "cuda"}));
  table.add("train.precision", options.precision,
            "`fp32`, or `bf16`: weights, activations and gradients in bfloat16, master weights and loss in fp32",
            one_of({"fp32", "bf16"}));
  table.add(
      "train.cuda_graph", options.cuda_graph,
      "record the step once and replay it, which spares the host's launches: for small models on a GPU; captions are "
      "padded to multiples of 16 tokens, with several ranks to the context length");
  table.add("train.pack_captions", options.pack_captions,
            "leave the padding between captions of different length out of the text tower, where its mask is causal");
  table.add("train.threads", options.threads,
            "compute threads a rank; 0: OMP_NUM_THREADS, else cores of the node / ranks of the node",
            in_range(std::int64_t{0}, std::int64_t{1024}));
  table.add("train.deterministic", options.deterministic, "only kernels that give the same bits every time");
  table.add("train.forbid_waits", options.forbid_waits,
            "for developers: end the run where a step would wait for the GPU");
  table.add("train.check_ranks_every", options.check_ranks_every,
            "every so many steps, compare the weights of all ranks, and stop the run when one has drifted; 0: never",
            at_least(0));
  table.add("train.non_finite_limit", options.non_finite_limit,
            "steps in a row with a gradient that is not finite after which the run stops", at_least(1));
}

void describe(OptionTable& table, RunConfig& config) {
  describe(table, config.run);
  describe(table, config.data);
  describe(table, config.model);
  describe(table, config.strategy);
  describe(table, config.optim);
  describe(table, config.train);
  describe(table, config.comm);
  describe(table, config.checkpoint);
  describe(table, config.eval);
}

}  // namespace clip_hpc
