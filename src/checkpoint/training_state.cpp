#include "clip_hpc/checkpoint/training_state.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/collectively.hpp"

namespace clip_hpc {
namespace {

Json layout_of(const ParameterArena& arena) {
  Json layout = Json::array();
  for (const ParameterSpec& spec : arena.trained()) layout.push_back({spec.name, spec.offset, spec.shape});
  return layout;
}

// What no other checkpoint could mend.
void check_belongs(const std::filesystem::path& path, const Json& about, const TrainingState& state) {
  if (about.value("layout", Json()) != layout_of(state.model.arena())) {
    throw input_error("{} belongs to another model; use its own configuration, or --resume none", path.native());
  }
  if (about.value("config_hash", "") == kImported) {
    throw input_error(
        "{0} was imported, and training cannot go on from it: give another --run-dir; model.init = {0} begins there",
        path.native());
  }
  if (const std::string optimizer = about.value("optimizer", "adamw"); optimizer != state.updater.name) {
    throw input_error("{} is of a run with optim.name = {}, this one has {}: use the same, or --resume none",
                      path.native(), optimizer, state.updater.name);
  }
}

// A rank reads what it holds; what one of them cannot read, all leave alone: nullopt, and `problem` says why.
std::optional<Progress> restore_one(World& world, const std::filesystem::path& path, const TrainingState& state,
                                    const CheckOwner& check, std::string& problem) {
  Updater& updater = state.updater;
  const CheckpointInfo info = inspect_checkpoint(path);
  if (info.about) {
    // What differs in the configuration says more than that the layout does.
    if (check && info.about->value("config_hash", "") != kImported) check(path, *info.about);
    check_belongs(path, *info.about, state);
  }
  std::vector<NamedBuffer> buffers = content_of(state).buffers;
  const bool begins_average = updater.average.is_kept() && info.about && !info.about->value("ema", false);
  if (begins_average) std::erase_if(buffers, [](const NamedBuffer& buffer) { return buffer.name == "ema"; });
  Json about;
  try {
    together(world, [&] {
      if (!info.about) throw storage_error("{}", info.problem);
      about = restore_checkpoint(path, buffers);
    });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::storage) throw;
    problem = error.what();
    return std::nullopt;
  }
  if (begins_average) {
    log_info("warning: {} holds no averaged weights: the average begins with its weights", path.native());
    updater.average.restart();
  }
  updater.counters.applied.fill_(about.at("applied").get<std::int64_t>());
  updater.counters.skipped.fill_(about.at("skipped").get<std::int64_t>());
  return Progress{about.at("step").get<std::int64_t>(), about.at("samples_seen").get<std::int64_t>()};
}

void check_all_found(World& world, const RunFolder& folder, const Progress& progress) {
  std::array<std::int64_t, 2> steps{progress.step, -progress.step};
  world.all_reduce_max(steps);
  if (steps[0] == -steps[1]) return;
  throw storage_error(
      "{}: the ranks found different checkpoints, of steps {} and {}: is the folder shared by all nodes?",
      folder.checkpoints_dir().native(), -steps[1], steps[0]);
}

// What lies ahead of where we start would count as newest when old checkpoints are deleted.
void put_aside_what_lies_ahead(World& world, const RunFolder& folder, bool is_named, std::int64_t step) {
  const std::vector<std::int64_t> found = folder.checkpoint_steps();
  world.barrier();  // every rank has listed them
  for (const std::int64_t other : found) {
    if (other <= step) continue;
    const std::filesystem::path ahead = folder.checkpoint_path(other);
    if (is_named) {
      throw input_error(
          "{} is ahead of step {}, where this run is to start: give --branch NAME to start a new run there",
          ahead.native(), step);
    }
    if (world.rank() == 0) {
      const std::filesystem::path aside = ahead.native() + ".broken";
      std::filesystem::remove_all(aside);
      rename_synced(ahead, aside);
    }
  }
  world.barrier();
}

}  // namespace

CheckpointContent content_of(const TrainingState& state) {
  CheckpointContent content;
  ParameterArena& arena = state.model.arena();
  content.buffers = {buffer_over(arena, "master", arena.master())};
  for (NamedBuffer& buffer : state.updater.optimizer->state()) content.buffers.push_back(std::move(buffer));
  const WeightAverage& average = state.updater.average;
  if (average.is_kept()) content.buffers.push_back(buffer_over(arena, "ema", average.weights()));
  for (std::size_t i = 0; i < arena.buffer_specs().size(); ++i) {
    content.buffers.push_back({arena.buffer_specs()[i].name, arena.buffer(i).view({-1}), 0, 0});
    if (!arena.buffer_specs()[i].exported) continue;
    content.model_buffers.emplace_back(arena.buffer_specs()[i].name, arena.buffer(i));
  }
  const NamedTensors counters = batch_counters(arena);
  content.model_buffers.insert(content.model_buffers.end(), counters.begin(), counters.end());
  content.layout = arena.trained();
  content.counts = {{"applied", state.updater.counters.applied}, {"skipped", state.updater.counters.skipped}};
  return content;
}

CheckpointContent content_of(const TrainingState& state, const Progress& progress, const Json& about_run) {
  const ClipModel& model = state.model;
  CheckpointContent content = content_of(state);
  content.about = {{"step", progress.step},
                   {"samples_seen", progress.samples_seen},
                   {"total_steps", progress.total_steps},
                   {"optimizer", state.updater.name},
                   {"ema", state.updater.average.is_kept()},
                   {"precision", model.arena().parameter(0).scalar_type() == at::kBFloat16 ? "bf16" : "fp32"},
                   {"model_name", model.config().name},
                   {"model", to_json(model.config())},
                   {"layout", layout_of(model.arena())}};
  content.about.update(about_run);
  return content;
}

void remove_expired(const RunFolder& folder, const CheckpointOptions& options) {
  for (const std::int64_t step : expired_checkpoints(folder.checkpoint_steps(), options)) {
    // Renamed first: half of a checkpoint under its name would look like a damaged one.
    const std::filesystem::path path = folder.checkpoint_path(step), gone = path.native() + ".tmp";
    std::error_code problem;
    std::filesystem::remove_all(gone, problem);
    std::filesystem::rename(path, gone, problem);
    if (!problem) std::filesystem::remove_all(gone, problem);
    if (problem) log_warn("cannot remove the old checkpoint {}: {}", path.native(), problem.message());
  }
}

Progress resume(World& world, const RunFolder& folder, const ResumeFrom& from, const TrainingState& state,
                const CheckOwner& check) {
  if (world.rank() == 0 && std::filesystem::is_directory(folder.checkpoints_dir())) {
    clear_killed_saves(folder.checkpoints_dir());
  }
  world.barrier();
  const bool is_named = from.which != "auto" && from.which != "none";
  std::vector<std::filesystem::path> candidates;
  if (from.which == "auto") candidates = checkpoints_newest_first(from.run);
  if (is_named) candidates = {from.which};
  std::optional<Progress> restored;
  for (const std::filesystem::path& path : candidates) {
    std::string problem;
    restored = restore_one(world, path, state, check, problem);
    if (restored) break;
    if (is_named) throw storage_error("{}", problem);
    log_info("warning: skipping {}: {}", path.native(), problem);
    for (const NamedBuffer& buffer : content_of(state).buffers) buffer.tensor.zero_();  // what was read of it
  }
  if (!candidates.empty() && !restored) {
    throw storage_error(
        "{}: none of its {} checkpoints can be read (the reasons are above): bring one back, or begin anew with "
        "--resume "
        "none, which keeps the old folder under another name",
        from.run.checkpoints_dir().native(), candidates.size());
  }
  const Progress progress = restored.value_or(Progress{});
  state.model.arena().refresh_weights();
  check_all_found(world, folder, progress);
  put_aside_what_lies_ahead(world, folder, is_named, progress.step);
  return progress;
}

}  // namespace clip_hpc
