#include "clip_hpc/train/loop.hpp"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/data/loading/loader.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/loss/terms/softmax.hpp"
#include "clip_hpc/ops/attention_choice.hpp"
#include "clip_hpc/ops/linear.hpp"
#include "clip_hpc/ops/measure.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/train/batch_feed.hpp"
#include "clip_hpc/train/grad_reducer.hpp"
#include "clip_hpc/train/graphed_step.hpp"
#include "clip_hpc/train/micro_batches.hpp"
#include "clip_hpc/train/session.hpp"
#include "clip_hpc/train/step_clock.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace clip_hpc {
namespace {

enum Flag : std::size_t { kStop = 0, kSave = 1 };  // what the ranks agree on once a step

LoaderOptions loader_options(const RunConfig& config, const TrainingData& data, const ViewSpec& view,
                             const Tokenizer& tokenizer, std::int64_t context_length, const World& world,
                             std::int64_t start_step) {
  LoaderOptions options;
  for (std::size_t i = 0; i < data.sets.size(); ++i) {
    options.sources.push_back({data.sets[i], data.weights[i], data.subset});
  }
  options.views = {view};
  options.encode = [&tokenizer](std::string_view caption, std::span<std::int32_t> ids) {
    return tokenizer.encode_into(caption, ids);
  };
  options.context = static_cast<int>(context_length);
  options.seed = static_cast<std::uint64_t>(config.run.seed);
  options.global_batch = static_cast<std::uint64_t>(config.train.global_batch);
  options.world = static_cast<std::uint64_t>(world.size());
  options.rank = static_cast<std::uint64_t>(world.rank());
  options.start_step = start_step;
  options.workers = static_cast<int>(config.data.workers);
  options.decode_size = static_cast<int>(config.data.decode_size);
  options.memory_bytes = static_cast<std::uint64_t>(config.data.loader_memory_mib) << 20;
  return options;
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

std::string bar(double share) {
  constexpr std::size_t kWidth = 20;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kWidth));
  return fmt::format("[{:#<{}}{:.<{}}]", "", full, "", kWidth - full);
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

double mib_of(const AdamWState& optimizer, ParameterArena& arena) {
  const std::size_t average_bytes = optimizer.ema.defined() ? optimizer.ema.nbytes() : 0;
  return static_cast<double>(optimizer.m.nbytes() + optimizer.v.nbytes() + arena.master().nbytes() + average_bytes) /
         1048576.0;
}

std::string out_of_memory_text(std::int64_t rows, const TrainOptions& options, const ComputeDevice& device,
                               const c10::Error& problem) {
  const std::string words = problem.what_without_backtrace();
  return fmt::format(
      "rank {}: out of memory with {} pairs a rank{}: at most {:.1f} GiB were in use before. Try train.micro_batch = "
      "{} "
      "(the same gradient), train.recompute = true, or comm.shard_optimizer = true with several ranks. LibTorch says: "
      "{}",
      device.identity, rows, options.micro_batch > 0 ? fmt::format(", {} of them at once", options.micro_batch) : "",
      static_cast<double>(device_peak(device.device).allocated_bytes) / 1073741824.0,
      std::max<std::int64_t>(1, (options.micro_batch > 0 ? options.micro_batch : rows) / 2),
      words.substr(0, words.find('\n')));
}

// Positions that the text tower computes for a caption, on average: padding that is left out does not count.
double tokens_of(const PairBatch& pairs) {
  if (pairs.lengths.empty()) return static_cast<double>(pairs.ids.size(1));
  return std::accumulate(pairs.lengths.begin(), pairs.lengths.end(), 0.0) / static_cast<double>(pairs.lengths.size());
}

// Sums since the last line of metrics.jsonl.
struct Window {
  explicit Window(double comm_wait_s) : comm_wait_before_s(comm_wait_s) {}
  Timer timer;
  std::int64_t samples = 0;
  double data_wait_s = 0, text_tokens = 0, comm_wait_before_s;
  std::int64_t steps = 0;
};

}  // namespace

namespace {

// `began`: set when the first step is about to run.
int train_on(World& world, const TrainRequest& request, const ComputeDevice& device, bool& began) {
  const RunConfig& config = request.config;
  const auto seed = static_cast<std::uint64_t>(config.run.seed);
  const at::ScalarType compute = scalar_type_of(config.train.precision);
  at::set_num_threads(compute_threads(world, config.train.threads));
  at::globalContext().setDeterministicAlgorithms(config.train.deterministic, false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);  // a pass over every new tensor, for debugging
  install_shutdown_signals();
  const Watchdog watchdog(world.in_flight(), config.comm.timeout_s, [&request](const std::string& text) {
    leave_hung_run(text, lost_peer_kind(request.folder));
  });

  // Data, tokenizer, model, optimizer.
  const ModelConfig named_model = read_model_config(config.model.config);
  const TrainingData data = open_training_data(config.data);
  for (const std::string& path : config.eval.data) check_evaluable(PackedSet{path}, config.eval);
  const auto tokenizer = Tokenizer::load(data.sets[0]->folder() / kTokenizerFileName);
  const ArenaShare share = config.comm.shard_optimizer ? ArenaShare{world.rank(), world.size()} : ArenaShare{};
  ClipModel model(model_for(named_model, tokenizer), compute, device.device, share);
  const ModelConfig& shape = model.config();
  model.recompute_blocks(config.train.recompute);
  const Strategy strategy = make_strategy(config.strategy);
  const std::int64_t kept = strategy.kept_patches(model.image().patches());
  const ViewSpec view = parse_view(strategy.view, static_cast<int>(model.image().image_size()));
  AdamWState optimizer = make_adamw_state(model.arena(), config.optim.ema > 0);
  const auto comm = make_communicator(world, config.comm, device);
  const auto host_comm = device.is_cpu() ? nullptr : make_mpi_communicator(world, {.timeout_s = config.comm.timeout_s});
  const EvalContext eval_context{host_comm ? *host_comm : *comm, model, tokenizer, config.eval.view};

  // How long: samples, or epochs of the data.
  const std::int64_t global_batch = config.train.global_batch, micro_batch = config.train.micro_batch;
  const std::int64_t samples = config.train.samples > 0
                                   ? config.train.samples
                                   : std::llround(config.train.epochs * static_cast<double>(data.epoch_samples));
  const std::int64_t total_steps = std::max<std::int64_t>(1, (samples + global_batch - 1) / global_batch);
  std::vector<std::int64_t> rows_per_rank;
  for (int r = 0; r < world.size(); ++r) {
    rows_per_rank.push_back(
        static_cast<std::int64_t>(rank_slice(static_cast<std::uint64_t>(global_batch),
                                             static_cast<std::uint64_t>(world.size()), static_cast<std::uint64_t>(r))
                                      .size()));
  }
  if (rows_per_rank.back() == 0) {
    throw input_error("train.global_batch = {} leaves ranks without a sample: use at most {} ranks", global_batch,
                      global_batch);
  }

  // Where we start: new weights, or the newest complete checkpoint.
  const std::string config_hash = hash_of_config(request.config_text);
  Progress progress = resume(world, request.folder, request.resume, model, optimizer, config_hash);
  if (progress.step == 0) {
    model.initialise(config.model.init, seed);
    if (optimizer.ema.defined()) optimizer.ema.copy_(model.arena().master());
  }
  model.arena().gather_weights(*comm);
  if (progress.samples_seen != progress.step * global_batch) {
    throw input_error(
        "the checkpoint has seen {} samples in {} steps, which does not fit train.global_batch = {}: use the "
        "batch that the run began with, or --resume none",
        progress.samples_seen, progress.step, global_batch);
  }
  if (world.rank() == 0) {
    if (data.sets[0]->folder() != request.folder.path) {
      write_file_atomic(tokenizer_file(request.folder), read_text_file(data.sets[0]->folder() / kTokenizerFileName));
    }
    write_file_atomic(request.folder.config_file(), request.config_text);
  }
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  if (world.rank() == 0) {
    append_provenance(request.folder.provenance_file(),
                      {program_version(), git_commit(), library_versions(device), hosts, world.size(), utc_now(),
                       request.command_line, config_hash});
  }
  log_info(
      "{}: {:.1f} M parameters, {} of {} patches, {} pairs an epoch, {} steps of {} pairs, {} ranks x {} threads, {}{}",
      shape.name, static_cast<double>(model.arena().numel()) / 1e6, kept, model.image().patches(), data.epoch_samples,
      total_steps, global_batch, world.size(), at::get_num_threads(), config.train.precision,
      share.parts > 1 ? fmt::format(", optimizer state shared: {:.1f} MiB a rank", mib_of(optimizer, model.arena()))
                      : "");
  if (progress.step > 0) log_info("resumed from step {} ({} samples seen)", progress.step, progress.samples_seen);

  // The yardstick of this run's utilisation, with all ranks at work and before the loader's threads are.
  world.barrier();
  const double gemm_tflops = measured_gemm_tflops(compute, device.device);
  const std::int64_t rows = rows_per_rank[static_cast<std::size_t>(world.rank())];
  const AttentionChoice attention = choose_attention(
      device.device, compute,
      model.attention_shapes(micro_batch > 0 ? std::min(rows, micro_batch) : rows, kept, model.text().context()),
      config.train.deterministic, !config.train.pack_captions || config.train.cuda_graph || !model.can_pack());
  if (!device.why_cpu.empty()) log_info("warning: on the processor, though there is a driver: {}", device.why_cpu);
  if (!device.is_cpu()) {
    log_info("{}; GEMM {:.0f} TFLOP/s; attention by {}; tensors by {}", device.description, gemm_tflops,
             attention.chosen, comm->name());
  }
  BatchLoader loader(loader_options(config, data, view, tokenizer, model.text().context(), world, progress.step));
  GradReducer reducer(*comm, model.arena(), config.comm.bucket_mib, config.comm.reduce_precision == "fp32");
  const Timer session;
  Timer since_checkpoint;
  Window window(comm->wait_s());
  BatchFeed feed(device.device, world.in_flight());
  StepClock clock(device.device, 1);
  std::int64_t start_step = progress.step;
  std::int64_t bad_samples_told = 0;
  std::set<std::uint64_t> bad_ids_told;
  progress.total_steps = total_steps;
  // This step passed a multiple of eval.every_samples, or has a checkpoint where each one is evaluated.
  const auto evaluation_is_due = [&](bool has_checkpoint) {
    if (progress.step == 0 || progress.step == total_steps) return false;
    if (config.eval.at_checkpoints && has_checkpoint) return true;
    const std::int64_t every = config.eval.every_samples;
    return every > 0 && progress.samples_seen / every != (progress.samples_seen - global_batch) / every;
  };
  // What fails in it is told, in metrics.jsonl too, and training goes on. False: a rank was asked to stop.
  const auto evaluate = [&] {
    exchange_for_average(model, optimizer, *comm);
    const Evaluated outcome = evaluate_all(world, eval_context, config.eval, request.folder, progress, config.run.name);
    exchange_for_average(model, optimizer, *comm);
    for (const EvalFailure& failure : outcome.failures) {
      log_info("warning: training goes on; evaluate step {} again with clip_hpc eval when this is mended",
               progress.step);
      if (world.rank() != 0) continue;
      append_event(request.folder.metrics_file(), {progress.step, kEvaluationFailed, failure.text});
    }
    return outcome.finished;
  };
  const auto stopped = [&] {
    log_info("stopped at step {} of {} on request; submit again to go on", progress.step, total_steps);
    clear_shutdown_request();  // it is done
    return kExitStoppedCleanly;
  };

  // The evaluation that the session before was stopped in or ahead of.
  if (evaluation_is_due(true) && !is_evaluated(world, config.eval, request.folder, progress.step) && !evaluate()) {
    return stopped();
  }

  // Graphs want few shapes, and ranks that record together one.
  const std::int64_t trim = !config.train.cuda_graph ? 1 : world.size() == 1 ? 16 : model.text().context();
  const bool watches_waits = config.train.forbid_waits && !device.is_cpu();
  const bool packs = config.train.pack_captions && !config.train.cuda_graph && model.can_pack();

  // One step, as far as the model's device is concerned: nothing in here waits for it.
  // What goes in and comes out lies in tensors of its own, since a graph may stand for the step.
  const auto number = at::TensorOptions().dtype(at::kDouble).device(device.device);
  const at::Tensor lr = at::zeros({}, number), loss = at::zeros({}, number), norm_of_gradient = at::zeros({}, number);
  GraphedStep step(world, device, config.train.cuda_graph, [&](const PairBatch& pairs) {
    at::Tensor local_loss;  // this rank's share
    reducer.disarm();       // a step that could not be recorded may have left it armed
    model.arena().zero_gradients();
    if (micro_batch == 0 || micro_batch >= pairs.ids.size(0)) {
      // Forward: two towers, features of unit length, this rank's share of the symmetric softmax loss.
      const Features features = encode(model, pairs);  // [rows, embed_dim] each
      local_loss = contrastive_loss_share(*comm, features.image, features.text, model.logit_scale(), rows_per_rank,
                                          config.train.loss_columns);

      // Backward: gradients land in the arena; a bucket travels as soon as it is full.
      reducer.start();
      local_loss.backward();
      reducer.finish();
    } else {
      local_loss = backward_in_micro_batches(*comm, model, reducer, pairs, rows_per_rank, micro_batch,
                                             config.train.loss_columns);
    }

    // Update: clip by the global norm, AdamW, clamp of the logit scale. A gradient that is not finite is left out.
    norm_of_gradient.copy_(gradient_norm(model.arena(), *comm));
    adamw_step(model.arena(), optimizer, norm_of_gradient, config.optim, lr, model.logit_scale_index());
    model.arena().gather_weights(*comm);
    loss.copy_(local_loss.detach());
    return loss;
  });
  std::string told_refusal;

  began = true;
  while (progress.step < total_steps) {
    // The batch of this step and rank; what it holds depends on the seed and the step alone.
    const double waited_before = loader.counters().wait_s;
    Batch batch = loader.next();
    World::ControlFlags flags{};
    flags[kStop] = shutdown_requested() ? 1 : 0;
    if (world.rank() == 0) {
      const double minutes = config.checkpoint.every_minutes;
      flags[kSave] = minutes > 0 && since_checkpoint.seconds() > 60 * minutes ? 1 : 0;
    }
    world.start_flags(flags);

    const std::int64_t size = model.image().image_size();
    PairBatch pairs;
    pairs.bytes = at::from_blob(batch.images.data(), {batch.n, 3, size, size}, at::kByte);
    pairs.ids = trimmed_ids(batch.ids, batch.lengths, model.text(), trim);
    if (packs) pairs.lengths = batch.lengths;
    if (kept < model.image().patches()) {
      pairs.kept = draw_kept_patches(seed, batch.positions, model.image().patches(), kept);  // [rows, kept]
    }

    clock.start();
    const double rate = learning_rate(config.optim, progress.step, total_steps);
    lr.fill_(rate);
    const PairBatch fed = feed.put(pairs);
    if (watches_waits) device_plane()->forbid_waits(true);
    step.run(fed);
    if (watches_waits) device_plane()->forbid_waits(false);
    feed.done();
    clock.lap(0);

    progress.step += 1;
    progress.samples_seen += global_batch;
    const bool last = progress.step == total_steps;
    const bool logs = progress.step % config.run.log_every == 0 || last || progress.step == start_step + 1;

    // Numbers are read where they cost nothing, or where someone looks at them.
    if (device.is_cpu() || logs) {
      comm->synchronize();
      const auto skipped_in_a_row = optimizer.skipped_in_a_row.item<std::int64_t>();
      if (skipped_in_a_row >= config.train.non_finite_limit) {
        world.wait_flags();  // all ranks leave here together, with nothing on its way
        throw input_error(
            "{} steps in a row with a gradient that is not finite, up to step {}; this rank's samples: {}. "
            "Lower optim.lr or look at these samples",
            skipped_in_a_row, progress.step, fmt::join(batch.sample_ids, " "));
      }
    }
    window.samples += global_batch;
    window.steps += 1;
    window.text_tokens += tokens_of(pairs);
    window.data_wait_s += loader.counters().wait_s - waited_before;
    loader.recycle(std::move(batch));

    // Diagnostics.
    if (logs) {
      if (step.refusal() != told_refusal) {
        told_refusal = step.refusal();
        log_info("warning: train.cuda_graph is on, but there is no graph: {}", told_refusal);
      }
      const double comm_wait_s = comm->wait_s() - window.comm_wait_before_s;
      std::array<double, 5> sums{loss.item<double>(), window.data_wait_s, comm_wait_s,
                                 clock.collect_s()[0] - comm_wait_s,
                                 static_cast<double>(loader.counters().bad_samples)};
      world.all_reduce_sum(sums);
      std::array<double, 2> memory{static_cast<double>(peak_rss_bytes()),
                                   static_cast<double>(device_peak(device.device, true).allocated_bytes)};
      world.all_reduce_max(memory);
      const double seconds = window.timer.seconds();
      const double all_seconds = seconds * world.size();
      const double macs =
          model.forward_macs(kept, std::llround(window.text_tokens / static_cast<double>(window.steps)));
      MetricsLine line;
      line.step = progress.step;
      line.samples_seen = progress.samples_seen;
      line.epoch = static_cast<double>(progress.samples_seen) / static_cast<double>(data.epoch_samples);
      line.time_s = session.seconds();
      line.loss = sums[0];
      line.logit_scale = std::exp(model.logit_scale().item<double>());
      line.lr = rate;
      line.grad_norm = norm_of_gradient.item<double>();
      line.samples_per_s = static_cast<double>(window.samples) / seconds;
      line.data_wait_share = sums[1] / all_seconds;
      line.comm_wait_share = sums[2] / all_seconds;
      line.compute_share = sums[3] / all_seconds;
      line.tflops = 6.0 * macs * line.samples_per_s / world.size() / 1e12;
      line.utilisation = line.tflops / gemm_tflops;
      line.rss_bytes = static_cast<std::int64_t>(memory[0]);
      line.device_bytes = static_cast<std::int64_t>(memory[1]);
      line.skipped_steps = optimizer.skipped.item<std::int64_t>();
      line.bad_samples = static_cast<std::int64_t>(sums[4]);
      if (world.rank() == 0) append_metrics(request.folder.metrics_file(), line);
      const double eta_s =
          static_cast<double>(total_steps - progress.step) * seconds / static_cast<double>(window.steps);
      log_info(
          "{} step {}/{}  loss {:.3f}  {:.0f} samples/s  lr {:.2e}  |g| {:.2f}  scale {:.1f}  data wait {:.0f} %  comm "
          "wait {:.0f} %  {:.0f} % of GEMM  ETA {}",
          bar(static_cast<double>(progress.step) / static_cast<double>(total_steps)), progress.step, total_steps,
          line.loss, line.samples_per_s, rate, line.grad_norm, line.logit_scale, 100 * line.data_wait_share,
          100 * line.comm_wait_share, 100 * line.utilisation, clock_text(eta_s));
      window = Window(comm->wait_s());
      if (const auto bad = static_cast<std::int64_t>(sums[4]); bad > bad_samples_told) {
        bad_samples_told = bad;
        log_info("warning: {} samples so far cannot be read and were replaced", bad);
        for (const BadSample& one : loader.bad_samples()) {
          if (bad_ids_told.insert(one.sample_id).second)
            log_warn("sample {} was replaced: {}", one.sample_id, one.reason);
        }
      }
    }

    // Evaluate, save and stop: the ranks agree on the step.
    const World::ControlFlags agreed = world.wait_flags();
    bool stop = agreed[kStop] != 0 && !last;
    const std::int64_t every = config.checkpoint.every_steps;
    const bool saves = last || agreed[kSave] != 0 || (every > 0 && progress.step % every == 0);
    const auto save_now = [&] {
      save(world, request.folder, model, optimizer, progress, config.checkpoint, config_hash);
      since_checkpoint.restart();
    };
    const bool evaluates = evaluation_is_due(saves) && !stop;
    if (evaluates || stop || saves) comm->synchronize();  // numbers are read from the device
    if (stop || saves) save_now();  // before the evaluation, so that nothing which happens in there costs steps
    if (evaluates) {
      synchronize_device(device.device);
      stop = !evaluate();
      if (stop && !saves) save_now();
      window = Window(comm->wait_s());
      clock.collect_s();
    }
    if (stop) return stopped();
  }

  log_info("training done: {} steps, {} samples, {:.0f} s in this session", progress.step, progress.samples_seen,
           session.seconds());
  return evaluate() ? kExitDone : stopped();
}

}  // namespace

int train(World& world, const TrainRequest& request) {
  const TrainOptions& options = request.config.train;
  if (options.deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // read when the first GEMM runs
  const ComputeDevice device = choose_device(world, options.device);
  bool began = false;
  try {
    return train_on(world, request, device, began);
  } catch (const c10::OutOfMemoryError& problem) {
    const std::int64_t rows = (options.global_batch + world.size() - 1) / world.size();
    throw device_error("{}", out_of_memory_text(rows, options, device, problem));
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::comm || !began) throw;
    throw Error(lost_peer_kind(request.folder), problem.what());
  }
}

}  // namespace clip_hpc
