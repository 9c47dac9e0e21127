// A checkpoint is a folder: state.h5 (fp32 buffers, of each every rank writes its slice), model.safetensors (weights
// under open_clip's names; ema.safetensors: their average, where one is kept), manifest.json last. It is written
// beside, synced and renamed: a folder without a valid manifest does not exist for resume. Slices do not depend on the
// reader: any number of ranks can restore.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/optim/named_buffer.hpp"

namespace clip_hpc {

struct CheckpointOptions {
  std::int64_t every_steps = 0;  // 0: not by steps
  double every_minutes = 10;     // 0: not by time
  std::string at_steps = {};     // further steps, kept for ever: "400,800"
  std::int64_t keep = 2;
  std::int64_t keep_every = 0;  // steps that are kept for ever; 0: none
  double timeout_s = 600;       // of storage that does not answer; 0: none
};
void describe(OptionTable& table, CheckpointOptions& options);
std::vector<std::int64_t> step_list(const std::string& text);  // "400,800"; throws input

struct CheckpointContent {
  std::vector<NamedBuffer> buffers;   // master, what the optimizer keeps, and ema where weights are averaged
  NamedTensors model_buffers;         // those that are exported beside the parameters: BatchNorm's statistics
  std::vector<ParameterSpec> layout;  // how to find open_clip's weights in the buffers "master" and "ema"
  std::vector<std::pair<std::string, at::Tensor>> counts;  // int64, on any device: go into `about` under their names
  Json about;  // step, samples_seen, config_hash, model, layout: returned as it was given, with the counts
};

// Collective. Either all ranks return or all throw the same, mostly storage. Beside the training:
// checkpoint_writer.hpp.
void save_checkpoint(World& world, const std::filesystem::path& folder, const CheckpointContent& content);

// Each rank reads the slices that its buffers need and checks them whole. Throws storage, naming the file, when
// something does not add up. Fills the buffers in place and returns what `about` was.
Json restore_checkpoint(const std::filesystem::path& folder, const std::vector<NamedBuffer>& buffers);

// The manifest's `about` when the folder is complete (sizes right, manifest readable), else the reason it is not.
struct CheckpointInfo {
  std::optional<Json> about;
  std::string problem;
};
CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder);

// The weights alone, for evaluation: the trained ones, or their average. Throws storage when they do not match the
// manifest's checksum.
NamedTensors read_checkpoint_weights(const std::filesystem::path& folder, bool averaged = false);
bool keeps_average(const std::filesystem::path& checkpoint);

// For one rank, while no one saves: removes from a folder of checkpoints what a killed save left unfinished, and puts
// back what it was about to replace.
void clear_killed_saves(const std::filesystem::path& folder);

// Which steps may be deleted: all but the newest `keep` and multiples of `keep_every`.
std::vector<std::int64_t> expired_checkpoints(std::vector<std::int64_t> steps, const CheckpointOptions& options);

}  // namespace clip_hpc
