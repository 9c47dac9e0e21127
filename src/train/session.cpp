#include "clip_hpc/train/session.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/packed/subset.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {
namespace {

Json layout_of(const ParameterArena& arena) {
  Json layout = Json::array();
  for (const ParameterSpec& spec : arena.specs()) layout.push_back({spec.name, spec.offset, spec.shape});
  return layout;
}

}  // namespace

TrainingData open_training_data(const DataOptions& options) {
  if (options.train.empty()) throw input_error("data.train is empty: name a packed set (clip_hpc pack makes one)");
  TrainingData data;
  for (const std::string& text : options.train) {
    const WeightedPath weighted = parse_weighted_path(text);
    data.sets.push_back(std::make_shared<PackedSet>(weighted.path));
    data.weights.push_back(weighted.weight);
  }
  if (!options.subset.empty()) {
    if (data.sets.size() != 1) throw input_error("data.subset needs exactly one data.train");
    data.subset = read_subset(options.subset, *data.sets[0]);
  }
  for (std::size_t i = 0; i < data.sets.size(); ++i) {
    const std::uint64_t count = data.subset.empty() ? data.sets[i]->count() : data.subset.size();
    data.epoch_samples += count * static_cast<std::uint64_t>(data.weights[i]);
  }
  return data;
}

TrainState train_state(ClipModel& model, AdamWState& optimizer) {
  TrainState state;
  ParameterArena& arena = model.arena();
  state.buffers = {{"master", arena.master()}, {"m", optimizer.m}, {"v", optimizer.v}};
  if (optimizer.ema.defined()) state.buffers.emplace_back("ema", optimizer.ema);
  state.layout = arena.specs();
  if (arena.share().parts > 1) {
    state.first = arena.held().begin;
    state.numel = arena.numel();
  } else {
    state.weights = named_weights(model);
  }
  return state;
}

void save(World& world, const RunFolder& folder, ClipModel& model, AdamWState& optimizer, const Progress& progress,
          const CheckpointOptions& options, const std::string& config_hash) {
  TrainState state = train_state(model, optimizer);
  state.about = {{"step", progress.step},
                 {"samples_seen", progress.samples_seen},
                 {"total_steps", progress.total_steps},
                 {"applied", optimizer.applied.item<std::int64_t>()},
                 {"skipped", optimizer.skipped.item<std::int64_t>()},
                 {"config_hash", config_hash},
                 {"ema", optimizer.ema.defined()},
                 {"precision", model.arena().parameter(0).scalar_type() == at::kBFloat16 ? "bf16" : "fp32"},
                 {"model_name", model.config().name},
                 {"model", to_json(model.config())},
                 {"layout", layout_of(model.arena())}};
  save_checkpoint(world, folder.checkpoint_path(progress.step), state);
  if (world.rank() != 0) return;
  for (const std::int64_t step : expired_checkpoints(folder.checkpoint_steps(), options)) {
    std::filesystem::remove_all(folder.checkpoint_path(step));
  }
}

Progress resume(World& world, const RunFolder& folder, const std::string& which, ClipModel& model,
                AdamWState& optimizer, const std::string& config_hash) {
  Progress progress;
  if (world.rank() == 0 && std::filesystem::is_directory(folder.checkpoints_dir())) {
    clear_killed_saves(folder.checkpoints_dir());
  }
  world.barrier();
  std::vector<std::filesystem::path> candidates;
  if (which == "auto") candidates = checkpoints_newest_first(folder);
  if (which != "auto" && which != "none") candidates = {which};
  TrainState state = train_state(model, optimizer);
  bool restored = false;
  for (const std::filesystem::path& path : candidates) {
    const CheckpointInfo info = inspect_checkpoint(path);
    if (info.about && info.about->value("layout", Json()) != layout_of(model.arena())) {
      throw input_error("{} belongs to another model; use its own configuration, or --resume none", path.native());
    }
    if (info.about && info.about->value("config_hash", "") == kImported) {
      throw input_error("{} was imported, and training cannot go on from it: give another --run-dir", path.native());
    }
    // A rank reads what it holds; what one of them cannot read, all leave alone.
    std::string problem;
    Json about;
    TrainState found = state;
    const bool begins_average = optimizer.ema.defined() && info.about && !info.about->value("ema", false);
    if (begins_average) std::erase_if(found.buffers, [](const auto& buffer) { return buffer.first == "ema"; });
    try {
      about = restore_checkpoint(path, found);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::storage) throw;
      problem = info.about ? error.what() : info.problem;
    }
    for (const std::string& one : world.all_gather_strings(problem)) {
      if (problem.empty()) problem = one;
    }
    if (problem.empty()) {
      if (about.at("config_hash") != config_hash) {
        log_info("warning: {} was written under another configuration than the one given now", path.native());
      }
      if (begins_average) {
        log_info("warning: {} holds no averaged weights: the average begins with its weights", path.native());
        optimizer.ema.copy_(model.arena().master());
      }
      optimizer.applied.fill_(about.at("applied").get<std::int64_t>());
      optimizer.skipped.fill_(about.at("skipped").get<std::int64_t>());
      progress = {about.at("step").get<std::int64_t>(), about.at("samples_seen").get<std::int64_t>()};
      restored = true;
      break;
    }
    if (which != "auto") throw storage_error("{}", problem);
    log_info("warning: skipping {}: {}", path.native(), problem);
    for (const auto& [name, buffer] : state.buffers) buffer.zero_();  // what was read of it
  }
  if (!candidates.empty() && !restored) {
    throw storage_error(
        "{}: none of its {} checkpoints can be read (the reasons are above); bring one back, or move the folder away "
        "to begin anew",
        folder.checkpoints_dir().native(), candidates.size());
  }
  model.arena().refresh_weights();
  std::array<std::int64_t, 2> steps{progress.step, -progress.step};
  world.all_reduce_max(steps);
  if (steps[0] != -steps[1]) {
    throw storage_error(
        "{}: the ranks found different checkpoints, of steps {} and {}: is the folder shared by all nodes?",
        folder.checkpoints_dir().native(), -steps[1], steps[0]);
  }
  // What lies ahead of where we start would count as newest when old checkpoints are deleted.
  const std::vector<std::int64_t> found = folder.checkpoint_steps();
  world.barrier();  // every rank has listed them
  for (const std::int64_t step : found) {
    if (step <= progress.step) continue;
    const std::filesystem::path ahead = folder.checkpoint_path(step);
    if (which != "auto") {
      throw input_error("{} is ahead of step {}, where this run is to start: give another --run-dir, or move it away",
                        ahead.native(), progress.step);
    }
    if (world.rank() == 0) {
      const std::filesystem::path aside = ahead.native() + ".broken";
      std::filesystem::remove_all(aside);
      rename_synced(ahead, aside);
    }
  }
  world.barrier();
  return progress;
}

void exchange_for_average(ClipModel& model, AdamWState& optimizer, Communicator& comm) {
  if (!optimizer.ema.defined()) return;
  const at::Tensor trained = model.arena().master().clone();
  model.arena().master().copy_(optimizer.ema);
  optimizer.ema.copy_(trained);
  model.arena().refresh_weights();
  model.arena().gather_weights(comm);
}

}  // namespace clip_hpc
