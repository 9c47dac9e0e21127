#include "clip_hpc/eval/open_model.hpp"

#include <ATen/Parallel.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/checkpoint/import_model.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/comm/compute_threads.hpp"
#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {

void add_model_arguments(ArgumentTable& table, ModelSource& source) {
  table.add("model", source.model, "run folder (its newest complete checkpoint) or checkpoint folder");
  table.add("weights", source.weights,
            "trained, ema (their average, of a run with optim.ema), or auto: the average where there is one",
            one_of({"auto", "trained", "ema"}));
}

void add_other_weights_arguments(ArgumentTable& table, ModelSource& source) {
  table.add(
      "model-config", source.config,
      "--model may also be a folder or safetensors file of open_clip or transformers: its JSON, where it has none");
  table.add("tokenizer", source.tokenizer, "of such a model, where it brings none: clip, or a SentencePiece model");
  table.add("lower-case", source.lower_case, "of such a model: put captions into lower case for its tokenizer");
}

void add_view_argument(ArgumentTable& table, ModelSource& source) {
  table.add("view", source.view, "how an image is resized: " + test_views_help(), is_test_view());
}

void add_precision_argument(ArgumentTable& table, ModelSource& source) {
  table.add("precision", source.precision, "of the model: fp32, bf16, or auto: that of the run",
            one_of({"auto", "fp32", "bf16"}));
}

void add_device_argument(ArgumentTable& table, ModelSource& source) {
  table.add("device", source.device, "auto, cpu or cuda, as train.device", one_of({"auto", "cpu", "cuda"}));
}

void add_feature_argument(ArgumentTable& table, ModelSource& source) {
  table.add("feature-dir", source.feature_folder,
            "folder where features are kept; default: features in the run folder");
}

ComputeDevice prepare_evaluation(World& world, const ModelSource& source) {
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();  // blocks, and a probe's steps, ask for the same tensors again and again
  return choose_device(world, source.device);
}

EvalContext OpenedModel::context() const { return {*comm, *loaded.model, *loaded.tokenizer, view, feature_folder}; }

Json OpenedModel::about() const {
  return {{"model", loaded.model->config().name},
          {"step", loaded.progress.step},
          {"view", view},
          {"weights", loaded.averaged ? "ema" : "trained"},
          {"precision", loaded.model->arena().parameter(0).scalar_type() == at::kFloat ? "fp32" : "bf16"}};
}

namespace {

LoadedModel load_ours_or_other(const ModelSource& source, const at::Device& device) {
  if (!holds_other_weights(source.model)) {
    if (!source.config.empty() || !source.tokenizer.empty() || source.lower_case) {
      throw input_error("--model-config, --tokenizer and --lower-case go with another project's weights, not with {}",
                        source.model);
    }
    return load_model(source.model, source.precision, device, source.weights);
  }
  if (source.weights == "ema") throw input_error("{} holds no averaged weights: leave --weights out", source.model);
  return load_other_model({.input = source.model,
                           .config = source.config,
                           .tokenizer = source.tokenizer.empty() ? "" : tokenizer_path(source.tokenizer),
                           .lower_case = source.lower_case},
                          source.precision, device);
}

}  // namespace

OpenedModel open_model(World& world, const ModelSource& source, const ComputeDevice& device) {
  LoadedModel loaded = load_ours_or_other(source, device.device);
  const std::string view = test_view(loaded.model->config(), source.view);
  return {std::move(loaded), make_communicator(world, {}), view, source.feature_folder};
}

OpenedModel open_model(World& world, const ModelSource& source) {
  const ComputeDevice device = prepare_evaluation(world, source);
  return open_model(world, source, device);
}

}  // namespace clip_hpc
