#include "clip_hpc/train/loop.hpp"

#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/train/agreement.hpp"
#include "clip_hpc/train/diagnostics.hpp"
#include "clip_hpc/train/explained_failures.hpp"
#include "clip_hpc/train/rank_check.hpp"
#include "clip_hpc/train/run_evaluation.hpp"
#include "clip_hpc/train/saver.hpp"
#include "clip_hpc/train/setup.hpp"

namespace clip_hpc {
namespace {

int stopped(const TrainingRun& run) {
  log_info("stopped at step {} of {} on request; submit again to go on", run.progress.step, run.progress.total_steps);
  clear_shutdown_request();  // it is done
  return kExitStoppedCleanly;
}

// The same on all ranks: what was to be saved is saved first.
[[noreturn]] void give_up(Saver& saver, const Error& problem) {
  saver.finish();
  throw Error(problem);
}

int train_to_the_end(TrainingRun& run, bool& began) {
  if (owes_evaluation(run) && !evaluate(run)) return stopped(run);

  TrainStep step(run.world, run.device, *run.communicator, run.model, run.updater, run.split, step_options(run));
  BatchLoader loader(loader_options(run));
  Diagnostics diagnostics(run, step, loader);
  Agreement agreement(run.world);
  Saver saver(run);
  began = true;
  while (run.progress.step < run.progress.total_steps) {
    // 1. The batch of this step and rank: a function of seed and step alone.
    Batch batch = loader.next();
    agreement.propose(saver.proposal(shutdown_requested()));
    const PairBatch pairs = pair_batch(run, batch);

    // 2. Forward, backward, update. Nothing waits for the device.
    const double lr = learning_rate_now(run);
    const StepResult result = step.run(pairs, lr);
    run.progress.step += 1;
    run.progress.samples_seen += run.split.global();

    // 3. What all ranks do after this step. From here on nothing of theirs is on its way.
    const Agreed agreed = agreement.wait();
    const Decision next = decide(run.cadence, run.progress, agreed);

    // 4. What there is to say about it.
    if (const auto problem = diagnostics.after_step(batch, pairs, result, lr)) give_up(saver, *problem);
    if (next.check_ranks) check_ranks_agree(run.world, run.model.arena(), run.progress.step);
    loader.recycle(std::move(batch));

    // 5. Save, evaluate, stop: in this order, so that nothing which happens in an evaluation costs steps.
    saver.after_step(agreed);
    if (next.save) saver.begin();
    if (next.evaluate || next.stop) saver.finish();
    const bool is_interrupted = next.evaluate && !evaluate(run);
    if (is_interrupted && !next.save) saver.begin();
    if (next.stop || is_interrupted) {
      saver.finish();
      saver.report();
      return stopped(run);
    }
    if (next.evaluate) diagnostics.begin_anew();
  }
  saver.finish();
  saver.report();
  log_info("training done: {} steps, {} samples, {:.0f} s in this session", run.progress.step,
           run.progress.samples_seen, diagnostics.session_s());
  return evaluate(run) ? kExitDone : stopped(run);
}

}  // namespace

int train(World& world, const TrainRequest& request) {
  return with_explained_failures(world, request, [&](const ComputeDevice& device, bool& began) {
    TrainingRun run(world, request, device);
    start_or_resume(run);
    choose_kernels(run);
    announce(run);
    return train_to_the_end(run, began);
  });
}

}  // namespace clip_hpc
