#include "clip_hpc/eval/jobs/follow.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/eval/jobs/write_results.hpp"

namespace clip_hpc {
namespace {

constexpr double kTick_s = 0.5;  // how long a request to stop may go unnoticed

bool agree_max(World& world, bool mine) {
  std::array<std::int64_t, 1> any{mine ? 1 : 0};
  world.all_reduce_max(any);
  return any[0] != 0;
}

// Collective: sleeps, and returns early when a rank is asked to stop. A barrier would keep a processor busy meanwhile.
void pause(World& world, double seconds) {
  const Timer timer;
  for (;;) {
    const double left_s = world.rank() == 0 ? seconds - timer.seconds() : 0;
    if (!agree_max(world, left_s > 0) || stop_is_asked(world)) return;
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(kTick_s, seconds)));
  }
}

// What rank 0 knows of the run's checkpoints.
struct Watch {
  RunFolder run;
  std::set<std::int64_t> waiting = {};  // whole, and not looked at yet
  std::set<std::int64_t> over = {};     // evaluated, vanished, or broken
  bool finished = false;                // the last checkpoint of the run has been there

  void look() {
    const std::vector<std::int64_t> steps = run.checkpoint_steps();
    for (auto step = waiting.begin(); step != waiting.end();) {
      if (std::ranges::find(steps, *step) != steps.end()) {
        ++step;
        continue;
      }
      tell_vanished(*step);
      over.insert(*step);
      step = waiting.erase(step);
    }
    for (const std::int64_t step : steps) {
      if (waiting.contains(step) || over.contains(step)) continue;
      const CheckpointInfo info = inspect_checkpoint(run.checkpoint_path(step));
      if (!info.about) {
        log_info("warning: skipping {}: {}", run.checkpoint_path(step).native(), info.problem);
        over.insert(step);
        continue;
      }
      waiting.insert(step);
      finished = finished || info.about->value("total_steps", std::int64_t{0}) == step;
    }
  }

  static void tell_vanished(std::int64_t step) {
    log_info(
        "warning: training deleted the checkpoint of step {} before it was evaluated: raise checkpoint.keep, or set "
        "checkpoint.keep_every",
        step);
  }
};

EvalOptions options_of(const RunFolder& run, const std::vector<std::string>& settings) {
  EvalOptions options;
  OptionTable table;
  describe(table, options);
  table.parse({run.config_file()}, settings, OtherSections::pass_over);
  if (options.data.empty()) throw input_error("{} names no eval.data: give --data", run.config_file().native());
  return options;
}

// One job that follows one run.
struct Job {
  World& world;
  const FollowRequest& request;
  ComputeDevice device;
  RunFolder run;
  RunFolder target;  // of the results
  std::unique_ptr<Communicator> comm;
  Timer timer = {};
  std::size_t failed = 0;  // evaluations

  // Collective: asked to stop, or the time is over.
  bool must_stop() const {
    const bool late = world.rank() == 0 && request.stop_after_s > 0 && timer.seconds() > request.stop_after_s;
    return agree_max(world, late || shutdown_requested());
  }

  int stop() const {
    log_info("stopped following {} on request; submit again to go on", run.path.native());
    clear_shutdown_request();
    return kExitStoppedCleanly;
  }

  void nap() const {
    const double left_s = request.stop_after_s - timer.seconds() + 0.1;
    pause(world, request.stop_after_s > 0 ? std::min(request.poll_s, left_s) : request.poll_s);
  }
};

// What to evaluate; the run may still wait in the queue. Nothing: the job must stop.
std::optional<EvalOptions> wait_for_options(const Job& job) {
  std::optional<EvalOptions> options = job.request.options;
  const std::filesystem::path file = job.run.config_file();
  for (bool told = false; !options; told = true) {
    std::error_code ignored;
    if (agree_max(job.world, job.world.rank() == 0 && std::filesystem::exists(file, ignored))) {
      together(*job.comm, [&] { options = options_of(job.run, job.request.settings); });
      break;
    }
    if (!told) log_info("{} is not there yet: waiting for it", file.native());
    if (job.must_stop()) return std::nullopt;
    job.nap();
  }
  together(*job.comm, [&] {
    for (const std::string& set : options->data) check_evaluable(PackedSet{set}, *options);
  });
  check_results_folder(job.world, job.target);
  return options;
}

struct Next {
  std::int64_t step = -1;  // -1: none is waiting
  bool finished = false;   // the run is
};

Next look_for_next(const Job& job, Watch& watch) {
  std::array<std::int64_t, 2> next{-1, 0};
  together(*job.comm, [&] {
    if (job.world.rank() != 0) return;
    watch.look();
    if (!watch.waiting.empty()) next[0] = *watch.waiting.begin();
    next[1] = watch.finished ? 1 : 0;
  });
  job.world.all_reduce_max(next);
  return {next[0], next[1] != 0};
}

// All of it in memory: from here on the checkpoint may go. Nothing, and a message, where it cannot be read.
std::optional<LoadedModel> load_or_skip(const Job& job, std::int64_t step) {
  const std::filesystem::path path = job.run.checkpoint_path(step);
  std::optional<LoadedModel> loaded;
  try {
    together(*job.comm, [&] {
      loaded = load_model(path, job.request.source.precision, job.device.device, job.request.source.weights);
    });
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::storage && problem.kind() != ErrorKind::input) throw;
    std::error_code ignored;
    if (job.world.rank() == 0 && !std::filesystem::exists(path, ignored)) {
      Watch::tell_vanished(step);
    } else {
      log_info("warning: skipping {}: {}", path.native(), problem.what());
    }
    return std::nullopt;
  }
  return loaded;
}

// On rank 0, which alone reads results: the view that this checkpoint is evaluated with. Empty where it cannot be read.
std::string view_at(const Job& job, const EvalOptions& options, std::int64_t step) {
  if (job.world.rank() != 0) return {};
  const CheckpointInfo info = inspect_checkpoint(job.run.checkpoint_path(step));
  if (!info.about) return {};
  try {
    return test_view(parse_model_config(info.about->at("model"), "the checkpoint's model"), options.view);
  } catch (const std::exception&) {  // load_model says why
    return {};
  }
}

// False: a rank was asked to stop before it was finished.
bool evaluate_step(Job& job, const EvalOptions& options, std::int64_t step) {
  if (is_evaluated(job.world, options, job.target, step, view_at(job, options, step))) {
    log_info("step {} is evaluated already", step);
    return true;
  }
  const std::optional<LoadedModel> loaded = load_or_skip(job, step);
  if (!loaded) return true;
  log_info("step {} of {}", step, loaded->progress.total_steps);
  const EvalContext context{*job.comm, *loaded->model, *loaded->tokenizer,
                            test_view(loaded->model->config(), options.view), job.request.source.feature_folder};
  const Evaluated outcome = evaluate_all(job.world, context, options, job.target, loaded->progress,
                                         without_slash(job.run.path).filename().string());
  job.failed += outcome.failures.size();
  return outcome.finished;
}

}  // namespace

int follow(World& world, const FollowRequest& request) {
  const ComputeDevice device = prepare_evaluation(world, request.source);
  const OrderlyStop between_evaluations;
  Job job{world,
          request,
          device,
          RunFolder{request.source.model},
          RunFolder{request.output, kFollowResults},
          make_communicator(world, {})};
  const std::optional<EvalOptions> options = wait_for_options(job);
  if (!options) return job.stop();
  for (Watch watch{job.run};;) {
    if (job.must_stop()) return job.stop();
    const Next next = look_for_next(job, watch);
    if (next.step < 0) {
      if (next.finished) break;
      job.nap();
      continue;
    }
    if (!evaluate_step(job, *options, next.step)) return job.stop();
    watch.waiting.erase(next.step);
    watch.over.insert(next.step);
  }
  log_info("{} is finished: every checkpoint that was there has been evaluated", job.run.path.native());
  if (job.failed > 0) {
    throw storage_error("{} evaluations failed (the reasons are above): mend them and follow the run again",
                        job.failed);
  }
  return kExitDone;
}

}  // namespace clip_hpc
