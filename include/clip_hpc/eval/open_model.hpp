// Opening a trained model for evaluation: the options that all programs share which do so, and what they give.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

struct ModelSource {
  std::string model = {};        // run folder or checkpoint folder; or weights of another project
  std::string weights = "auto";  // as load_model
  std::string precision = "auto";
  std::string device = "auto";      // as choose_device
  std::string view = "model";       // a name of data/views, or the model's own
  std::string feature_folder = {};  // where features are kept
  // Of another project's weights, as clip_hpc import takes them.
  std::string config = {}, tokenizer = {};
  bool lower_case = false;
};

// Each adds the options that a command has: --model and --weights; those of weights that are not ours; --view;
// --precision; --device; --feature-dir.
void add_model_arguments(ArgumentTable& table, ModelSource& source);
void add_other_weights_arguments(ArgumentTable& table, ModelSource& source);
void add_view_argument(ArgumentTable& table, ModelSource& source);
void add_precision_argument(ArgumentTable& table, ModelSource& source);
void add_device_argument(ArgumentTable& table, ModelSource& source);
void add_feature_argument(ArgumentTable& table, ModelSource& source);

// Collective. Threads, memory and the device of a rank that evaluates.
ComputeDevice prepare_evaluation(World& world, const ModelSource& source);

struct OpenedModel {
  LoadedModel loaded;
  std::unique_ptr<Communicator> comm;
  std::string view;                      // what was asked for, or the model's own
  std::filesystem::path feature_folder;  // empty: features are not kept

  EvalContext context() const;
  Json about() const;  // model, step, view, weights, precision: attributes of files of features and scores
};

// Collective. Throws input, storage or device.
OpenedModel open_model(World& world, const ModelSource& source);
OpenedModel open_model(World& world, const ModelSource& source, const ComputeDevice& device);

}  // namespace clip_hpc
