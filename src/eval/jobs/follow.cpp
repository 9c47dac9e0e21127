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
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/train/run_config.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/eval/jobs/learned_tasks.hpp"

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
  const RunFolder& run;
  std::set<std::int64_t> waiting;  // whole, and not looked at yet
  std::set<std::int64_t> over;     // evaluated, vanished, or broken
  bool finished = false;           // the last checkpoint of the run has been there

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

EvalOptions options_of(const FollowRequest& request) {
  RunConfig config;
  OptionTable table;
  describe(table, config);
  table.parse({request.run.config_file()}, request.settings);
  if (config.eval.data.empty()) {
    throw input_error("{} names no eval.data: give --data", request.run.config_file().native());
  }
  return config.eval;
}

}  // namespace

int follow(World& world, const FollowRequest& request, const ComputeDevice& device) {
  install_shutdown_signals();
  const auto comm = make_communicator(world, {});
  const Timer timer;
  const auto must_stop = [&] {
    const bool late = world.rank() == 0 && request.stop_after_s > 0 && timer.seconds() > request.stop_after_s;
    return agree_max(world, late || shutdown_requested());
  };
  const auto stopped = [&] {
    log_info("stopped following {} on request; submit again to go on", request.run.path.native());
    clear_shutdown_request();
    return kExitStoppedCleanly;
  };
  const auto nap_s = [&] {
    return request.stop_after_s > 0 ? std::min(request.poll_s, request.stop_after_s - timer.seconds() + 0.1)
                                    : request.poll_s;
  };

  // The run may still wait in the queue.
  std::optional<EvalOptions> options = request.options;
  for (bool told = false; !options; told = true) {
    std::error_code ignored;
    if (agree_max(world, world.rank() == 0 && std::filesystem::exists(request.run.config_file(), ignored))) {
      together(*comm, [&] { options = options_of(request); });
      break;
    }
    if (!told) log_info("{} is not there yet: waiting for it", request.run.config_file().native());
    if (must_stop()) return stopped();
    pause(world, nap_s());
  }
  together(*comm, [&] {
    for (const std::string& set : options->data) check_evaluable(PackedSet{set}, *options);
    if (world.rank() == 0) std::filesystem::create_directories(request.output);
  });
  const RunFolder target{request.output, kFollowResults};

  Watch watch{request.run, {}, {}, false};
  std::size_t failed = 0;
  for (;;) {
    if (must_stop()) return stopped();
    std::array<std::int64_t, 2> next{-1, 0};  // step, whether the run is finished
    together(*comm, [&] {
      if (world.rank() != 0) return;
      watch.look();
      if (!watch.waiting.empty()) next[0] = *watch.waiting.begin();
      next[1] = watch.finished ? 1 : 0;
    });
    world.all_reduce_max(next);
    const std::int64_t step = next[0];
    if (step < 0) {
      if (next[1] != 0) break;
      pause(world, nap_s());
      continue;
    }
    if (is_evaluated(world, *options, target, step)) {
      log_info("step {} is evaluated already", step);
    } else {
      const std::filesystem::path path = request.run.checkpoint_path(step);
      std::optional<LoadedModel> loaded;  // all of it in memory: from here on the checkpoint may go
      try {
        together(*comm, [&] { loaded = load_model(path, request.precision, device.device, request.weights); });
      } catch (const Error& problem) {
        if (problem.kind() != ErrorKind::storage && problem.kind() != ErrorKind::input) throw;
        std::error_code ignored;
        if (world.rank() == 0 && !std::filesystem::exists(path, ignored)) {
          Watch::tell_vanished(step);
        } else {
          log_info("warning: skipping {}: {}", path.native(), problem.what());
        }
      }
      if (loaded) {
        log_info("step {} of {}", step, loaded->progress.total_steps);
        const EvalContext context{*comm, *loaded->model, *loaded->tokenizer, options->view, request.feature_folder};
        const Evaluated outcome = evaluate_all(world, context, *options, target, loaded->progress,
                                               without_slash(request.run.path).filename().string());
        failed += outcome.failures.size();
        if (!outcome.finished) return stopped();
      }
    }
    watch.waiting.erase(step);
    watch.over.insert(step);
  }
  log_info("{} is finished: every checkpoint that was there has been evaluated", request.run.path.native());
  if (failed > 0) {
    throw storage_error("{} evaluations failed (the reasons are above): mend them and follow the run again", failed);
  }
  return kExitDone;
}

}  // namespace clip_hpc
