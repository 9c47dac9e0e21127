#include "clip_hpc/train/setup.hpp"

#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <map>
#include <utility>

#include "clip_hpc/base/deadline.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/checkpoint/start_weights.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "clip_hpc/ops/measure.hpp"
#include "clip_hpc/optim/schedule.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/strategy/branch_draw.hpp"
#include "clip_hpc/strategy/text_mask.hpp"
#include "clip_hpc/train/micro_batches.hpp"
#include "clip_hpc/train/roll_call.hpp"
#include "clip_hpc/train/run_checks.hpp"
#include "clip_hpc/train/run_length.hpp"

namespace clip_hpc {
namespace {

// Threads and determinism belong to the process: set before the first tensor is made.
const RunConfig& with_process_settings(World& world, const RunConfig& config) {
  at::set_num_threads(compute_threads(world, config.train.threads));
  at::globalContext().setDeterministicAlgorithms(config.train.deterministic, false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);  // a pass over every new tensor, for debugging
  return config;
}

TrainingData open_data(const RunConfig& config) {
  read_model_config(config.model.config);  // a model file that is not there is named before the data is opened
  TrainingData data = open_training_data(config.data);
  check_length(config, data);
  for (const std::string& path : config.eval.data) check_evaluable(PackedSet{path}, config.eval);
  return data;
}

// Its tokenizer is the first set's, whatever open_clip would take, and its view of test images that of [eval]: what is
// evaluated or exported of it later begins with the same.
ModelConfig model_of_run(const RunConfig& config) {
  ModelConfig model = read_model_config(config.model.config);
  for (const char* key : {"hf_tokenizer_name", "tokenizer_kwargs"}) model.text.erase(key);
  if (config.eval.view != kModelView) model.view = config.eval.view;
  return model;
}

std::map<std::string, std::string> library_versions(const ComputeDevice& device) {
  std::map<std::string, std::string> versions{{"LibTorch", TORCH_VERSION}, {"MPI", World::mpi_version()}};
  if (device.is_cpu()) {
    if (!onednn_version().empty()) versions["oneDNN"] = onednn_version();
    return versions;
  }
  versions["device"] = device.description;
  versions["NCCL"] = device_plane()->nccl_version();
  versions["cuDNN"] = device_plane()->cudnn_version();
  return versions;
}

double mib_of(const Updater& updater) {
  return static_cast<double>(updater.state_bytes() + static_cast<std::int64_t>(updater.arena.master().nbytes())) /
         1048576.0;
}

// Of one pair as it is trained, with all positions of the text.
RunCost cost_of(const TrainingRun& run) {
  const ImageTower& image = run.model.image();
  const TextTower& text = run.model.text();
  double image_macs = 0;  // on average over the phases, wherever this session begins
  for (const Phase& phase : run.strategy.phases) {
    const std::int64_t size = run.image_size_in(phase), kept = phase.kept_patches(image.patches_at(size));
    image_macs += phase.fraction_of_run *
                  (image.macs_at(size, kept) + run.model.further_view_macs(std::ssize(run.strategy.views) - 1, size));
  }
  return {.image_macs = image_macs,
          .text_macs = text.cost().macs(static_cast<double>(text.context())),
          .parameters = run.model.arena().declared_numel(),
          .patches = image.patches(),
          .kept = run.kept_patches(),
          .context = text.context()};
}

std::string where_it_is(const StackProbe& stack) {
  const std::vector<std::string> frames = stack.frames();
  return frames.empty() ? "" : fmt::format("\n  it is in {}", fmt::join(frames, "\n  called by "));
}

// The watching thread's. The first of the ranks that wait tells it for all of them.
[[noreturn]] void give_up_waiting(const TrainingRun& run, const std::string& text) {
  const RunFolder& folder = run.request.folder;
  const ErrorKind kind = lost_peer_kind(folder);
  const RollCall call = roll_call(run.world, folder, run.config.comm.timeout_s);
  const Deadline deadline(4 * call.patience_s, [&] { leave_hung_run(text, kind); });
  const auto told = call_the_roll(call, whereabouts(*run.world.in_flight(), true));
  leave_hung_run(told ? fmt::format("{}\n  {}{}", text, *told, where_it_is(run.stack)) : "", kind);
}

std::string what_a_kill_loses(const CheckpointOptions& options) {
  std::vector<std::string> bounds;
  if (options.every_minutes > 0) bounds.push_back(fmt::format("{} minutes", options.every_minutes));
  if (options.every_steps > 0) bounds.push_back(fmt::format("{} steps", options.every_steps));
  if (bounds.empty())
    return "warning: no checkpoint before the end (checkpoint.every_minutes = 0): a kill loses everything";
  return fmt::format("a kill loses at most {} of training, and what was trained while the last checkpoint was written",
                     fmt::join(bounds, " or "));
}

// Where a branch came from: a run, or a checkpoint.
std::string origin_of(const TrainRequest& request) {
  if (!request.branch_of.path.empty()) return request.branch_of.path.native();
  if (request.resume == "auto" || request.resume == "none") return "";
  std::error_code none;
  const std::filesystem::path run = without_slash(request.resume).parent_path().parent_path();
  return std::filesystem::equivalent(run, request.folder.path, none) ? "" : request.resume;
}

// Collective.
void write_origin(const TrainingRun& run) {
  const TrainRequest& request = run.request;
  if (run.world.rank() == 0) {
    const std::filesystem::path source = run.data.sets[0]->folder();
    if (source != request.folder.path) {
      write_file_atomic(tokenizer_file(request.folder), read_text_file(source / kTokenizerFileName));
    }
    write_file_atomic(request.folder.config_file(), request.config_text);
  }
  const std::vector<std::string> hosts = run.world.gather_strings(run.world.host_name());
  const RunCost cost = cost_of(run);
  if (run.world.rank() == 0) {
    append_provenance(request.folder.provenance_file(),
                      {program_version(), git_commit(), library_versions(run.device), hosts, run.world.size(),
                       utc_now(), request.command_line, hash_of_config(request.config_text), cost, origin_of(request)});
  }
}

// The same command once more, of a run that began from the checkpoint of another one: it goes on where it is.
bool has_begun_there(const TrainRequest& request) {
  const std::string origin = origin_of(request);
  std::error_code none;
  if (origin.empty() || request.folder.checkpoint_steps().empty()) return false;
  if (!std::filesystem::exists(request.folder.provenance_file(), none)) return false;
  const auto starts = read_provenance(request.folder.provenance_file());
  return std::ranges::any_of(starts, [&](const Provenance& start) { return start.branch_of == origin; });
}

}  // namespace

TrainingRun::TrainingRun(World& of, const TrainRequest& asked, ComputeDevice where)
    : world(of),
      request(asked),
      config(with_process_settings(of, asked.config)),
      device(std::move(where)),
      watchdog(
          world.in_flight(), config.comm.timeout_s, [this](const std::string& text) { give_up_waiting(*this, text); },
          [this](const std::string& text) {
            if (world.size() == 1) return;
            log_warn("rank {} on {} {}{}", world.rank(), world.host_name(), text, where_it_is(stack));
            leave_word(roll_call(world, request.folder, config.comm.timeout_s), whereabouts(*world.in_flight(), false));
          }),
      data(open_data(config)),
      tokenizer(Tokenizer::load(data.sets[0]->folder() / kTokenizerFileName)),
      strategy(make_strategy(config.strategy)),
      model(as_trained_by(strategy, model_for(model_of_run(config), tokenizer)), scalar_type_of(config.train.precision),
            device.device, config.comm.shard_optimizer ? ArenaShare{world.rank(), world.size()} : ArenaShare{},
            {config.model.freeze == "image", config.model.freeze == "text", config.model.unlocked_groups}),
      updater(model.arena(), config.optim),
      communicator(make_communicator(world, config.comm, device)),
      host_communicator(device.is_cpu() ? nullptr : make_mpi_communicator(world, {.timeout_s = config.comm.timeout_s})),
      split(even_split(config.train.global_batch, world.size(), world.rank(), "train.global_batch")),
      cadence{config.train.global_batch,  config.checkpoint.every_steps,  config.eval.every_samples,
              config.eval.at_checkpoints, config.train.check_ranks_every, step_list(config.checkpoint.at_steps)},
      identity(identity_of(config, data, model.config(), total_steps(config.train, data.epoch_samples))) {
  check_teacher(config, strategy);
  check_freezing(config, model);
  check_head(config, strategy);
  check_text_tokens(config, model);
  const std::int64_t most_rows = *std::ranges::max_element(split.rows_per_rank);
  const std::int64_t parts = config.train.micro_batch < most_rows ? config.train.micro_batch : 0;
  if (config.model.freeze != "image") check_parts(model, parts, config.train.recompute);
  model.take_statistics_over(*communicator);
  check_phases(model, strategy);
  model.recompute_blocks(config.train.recompute);
}

Json about_run(const TrainingRun& run) {
  Json about = {{"config_hash", hash_of_config(run.request.config_text)}};
  write_identity(about, run.identity);
  return about;
}

bool TrainingRun::packs_captions() const {
  return config.train.pack_captions && !config.train.cuda_graph && model.can_pack();
}

// As model.init says: drawn, and then taken from where weights are.
void begin_weights(TrainingRun& run) {
  const ModelOptions& options = run.config.model;
  const bool is_scheme = options.init == "open_clip" || options.init == "clip_hpc";
  run.model.initialise(is_scheme ? options.init : ModelOptions{}.init, run.seed());
  const StartWeights from{is_scheme ? "" : options.init, options.init_image, options.init_text};
  if (!from.any()) return;
  start_from_weights(run.model, from, read_text_file(run.data.sets[0]->folder() / kTokenizerFileName));
}

void start_or_resume(TrainingRun& run) {
  const TrainRequest& request = run.request;
  // A folder without checkpoints that starts from one of another folder is a branch, whatever it was called.
  const std::string from = has_begun_there(request) ? "auto" : request.resume;
  const bool is_named = from != "auto" && from != "none";
  const bool begins_branch = request.folder.checkpoint_steps().empty() && (is_named || !request.branch_of.path.empty());
  const RunFolder& origin = begins_branch && !request.branch_of.path.empty() ? request.branch_of : request.folder;
  const auto check = [&](const std::filesystem::path& checkpoint, const Json& about) {
    check_continues(origin, checkpoint, about, run.identity, begins_branch);
  };
  run.progress = resume(run.world, request.folder, {origin, from}, {run.model, run.updater}, check);
  if (run.progress.step == 0) {
    begin_weights(run);
    run.updater.average.restart();
  }
  run.model.arena().gather_weights(*run.communicator);
  const std::int64_t global_batch = run.config.train.global_batch;
  if (run.progress.samples_seen != run.progress.step * global_batch) {
    throw input_error(
        "the checkpoint has seen {} samples in {} steps, which does not fit train.global_batch = {}: use the "
        "batch that the run began with, or --resume none",
        run.progress.samples_seen, run.progress.step, global_batch);
  }
  run.progress.total_steps = run.identity.total_steps;
  run.start_step = run.progress.step;
  write_origin(run);
}

void choose_kernels(TrainingRun& run) {
  run.world.barrier();  // all ranks are at work, and the loader's threads are not there yet
  const at::ScalarType compute = scalar_type_of(run.config.train.precision);
  run.gemm_tflops = measured_gemm_tflops(compute, run.device.device);
  const std::int64_t micro_batch = run.config.train.micro_batch, rows = run.split.rows();
  run.attention = choose_attention(run.device.device, compute,
                                   run.model.attention_shapes(micro_batch > 0 ? std::min(rows, micro_batch) : rows,
                                                              run.kept_patches(), run.model.text().context()),
                                   run.config.train.deterministic, !run.packs_captions());
}

void announce(const TrainingRun& run) {
  const ModelConfig& shape = run.model.config();
  const ParameterArena& arena = run.model.arena();
  log_info(
      "{}: {:.1f} M parameters, {} of {} patches{}, {} pairs an epoch, {} steps of {} pairs, {} ranks x {} threads, "
      "{}{}",
      shape.name, static_cast<double>(arena.declared_numel()) / 1e6, run.kept_patches(),
      run.model.image().patches_at(run.image_size()),
      run.phase().image_size > 0 ? fmt::format(" of images of {} pixels", run.image_size()) : "",
      run.data.epoch_samples, run.progress.total_steps, run.config.train.global_batch, run.world.size(),
      at::get_num_threads(), run.config.train.precision,
      arena.share().parts > 1 ? fmt::format(", optimizer state shared: {:.1f} MiB a rank", mib_of(run.updater)) : "");
  if (run.progress.step > 0) {
    log_info("resumed from step {} ({} samples seen)", run.progress.step, run.progress.samples_seen);
  }
  if (const std::string note = run.model.image().training_note(); !note.empty()) log_info("{}: {}", shape.name, note);
  log_info("{}", what_a_kill_loses(run.config.checkpoint));
  if (!run.device.why_cpu.empty()) {
    log_info("warning: on the processor, though there is a driver: {}", run.device.why_cpu);
  }
  if (!run.device.is_cpu()) {
    log_info("{}; GEMM {:.0f} TFLOP/s; attention by {}; tensors by {}", run.device.description, run.gemm_tflops,
             run.attention.chosen, run.communicator->name());
  }
}

LoaderOptions loader_options(const TrainingRun& run) {
  LoaderOptions options;
  for (std::size_t i = 0; i < run.data.sets.size(); ++i) {
    options.sources.push_back({run.data.sets[i], run.data.weights[i], run.data.subset});
  }
  const std::span<const Phase> phases = run.strategy.phases;
  const std::vector<std::int64_t> begins = phase_begins(phases, run.progress.total_steps);
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const int size = static_cast<int>(run.image_size_in(phases[i]));
    std::vector<ViewSpec> views = parse_views(run.strategy.views, size, run.strategy.augment);
    if (i == 0) options.views = views;
    if (i > 0) options.later_views.push_back({begins[i], std::move(views)});
  }
  options.encode = [&tokenizer = run.tokenizer](std::string_view caption, std::span<std::int32_t> ids) {
    return tokenizer.encode_into(caption, ids);
  };
  options.context = static_cast<int>(run.model.text().context());
  if (!run.data.teachers.empty()) {
    options.feature_floats = static_cast<int>(2 * run.data.teachers[0]->width());
    options.features = [&data = run.data](std::uint64_t sample, int caption, std::span<float> into) {
      std::size_t set = 0;
      for (; sample >= data.sets[set]->count(); ++set) sample -= data.sets[set]->count();
      data.teachers[set]->read(sample, caption, into);
    };
  }
  options.seed = run.seed();
  options.global_batch = static_cast<std::uint64_t>(run.config.train.global_batch);
  options.world = static_cast<std::uint64_t>(run.world.size());
  options.rank = static_cast<std::uint64_t>(run.world.rank());
  options.start_step = run.progress.step;
  options.workers = static_cast<int>(run.config.data.workers);
  options.decode_size = static_cast<int>(run.config.data.decode_size);
  options.memory_bytes = static_cast<std::uint64_t>(run.config.data.loader_memory_mib) << 20;
  return options;
}

StepOptions step_options(const TrainingRun& run) {
  return {.terms = run.strategy.terms,
          .loss = {.columns = run.config.train.loss_columns,
                   .teacher_scale = run.data.teachers.empty() ? 0 : run.data.teachers[0]->scale(),
                   .temperature = run.strategy.temperature,
                   .partial_gradient = run.strategy.partial_gradient},
          .micro_batch = run.config.train.micro_batch,
          .bucket_mib = run.config.comm.bucket_mib,
          .reduce_in_fp32 = run.config.comm.reduce_precision == "fp32",
          .cuda_graph = run.config.train.cuda_graph,
          .forbid_waits = run.config.train.forbid_waits};
}

void mask_captions(const TrainingRun& run, Batch& batch) {
  const std::int64_t tokens = run.phase().text_tokens, context = run.model.text().context();
  if (tokens == 0) return;
  const TextMask& mask = text_mask(run.config.strategy.text_mask);
  const CaptionForm form{run.tokenizer.is_clip(), run.tokenizer.pad_id()};
  for (std::int64_t row = 0; row < batch.n; ++row) {
    RandomStream random(run.seed(), Purpose::text_keep, batch.positions[static_cast<std::size_t>(row)]);
    std::int32_t& length = batch.lengths[static_cast<std::size_t>(row)];
    length = mask_caption(
        std::span(batch.ids).subspan(static_cast<std::size_t>(row * context), static_cast<std::size_t>(context)),
        length, tokens, mask, form, random);
  }
}

// Each view skips branches of its own.
std::vector<double> drop_rates_of(const TrainingRun& run) {
  std::vector<double> rates;
  for (std::size_t view = 0; view < run.strategy.views.size(); ++view) {
    const std::vector<double> once = run.model.image().drop_rates();
    rates.insert(rates.end(), once.begin(), once.end());
  }
  return rates;
}

PairBatch pair_batch(const TrainingRun& run, Batch& batch) {
  const std::int64_t size = batch.image_size, patches = run.model.image().patches_at(size), kept = run.kept_patches();
  // Graphs want few shapes, and ranks that record together one.
  const std::int64_t multiple = !run.config.train.cuda_graph ? 1
                                : run.world.size() == 1      ? 16
                                                             : run.model.text().context();
  PairBatch pairs;
  pairs.images =
      at::from_blob(batch.images.data(), {std::ssize(run.strategy.views), batch.n, 3, size, size}, at::kByte);
  mask_captions(run, batch);
  pairs.ids = trimmed_ids(batch.ids, batch.lengths, run.model.text(), multiple);
  if (run.packs_captions()) pairs.lengths = batch.lengths;
  if (!run.data.teachers.empty()) {
    pairs.teacher = at::from_blob(batch.features.data(), {batch.n, 2 * run.data.teachers[0]->width()}, at::kFloat);
  }
  pairs.branch_scales = draw_branch_scales(run.seed(), batch.positions, drop_rates_of(run));
  if (kept < patches) pairs.kept = draw_kept_patches(run.seed(), batch.positions, patches, kept);
  return pairs;
}

double learning_rate_now(const TrainingRun& run) {
  const Leg leg = leg_at(run.strategy.phases, run.progress.step, run.progress.total_steps);
  OptimOptions options = run.config.optim;
  options.lr = leg.lr.value_or(options.lr);
  return learning_rate(options, run.progress.step - leg.begin, {leg.end - leg.begin, run.config.train.global_batch});
}

}  // namespace clip_hpc
