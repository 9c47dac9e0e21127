#include "clip_hpc/train/run_evaluation.hpp"

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/run/metrics.hpp"

namespace clip_hpc {
namespace {

void note_failures(TrainingRun& run, const Evaluated& outcome) {
  for (const EvalFailure& failure : outcome.failures) {
    log_info("warning: training goes on; evaluate step {} again with clip_hpc eval when this is mended",
             run.progress.step);
    if (run.world.rank() != 0) continue;
    append_event(run.request.folder.metrics_file(), {run.progress.step, kEvaluationFailed, failure.text});
  }
}

// An average is what a run is known by; the weights as they are trained are evaluated beside it.
bool has_two_weights(const TrainingRun& run) { return run.config.optim.ema > 0 && !run.config.eval.data.empty(); }

}  // namespace

bool evaluate(TrainingRun& run) {
  run.communicator->synchronize();
  synchronize_device(run.device.device);
  Communicator& host = run.host_communicator ? *run.host_communicator : *run.communicator;
  const EvalContext context{host, run.model, run.tokenizer, test_view(run.model.config(), run.config.eval.view)};
  const auto evaluated = [&](const EvalOptions& options, const EvaluationOf& of) {
    const Evaluated outcome =
        evaluate_all(run.world, context, options, run.request.folder, run.progress, run.config.run.name, of);
    note_failures(run, outcome);
    return outcome.finished;
  };
  run.updater.average.exchange(*run.communicator);
  const bool finished = evaluated(run.config.eval, {});
  run.updater.average.exchange(*run.communicator);
  if (!finished || !has_two_weights(run)) return finished;
  log_info("and with the weights as they are trained, not averaged:");
  EvalOptions options = run.config.eval;  // files beside the numbers are the average's
  options.per_class = false;
  options.pictures = 0;
  return evaluated(options, {.weights = kTrainedWeights});
}

bool owes_evaluation(TrainingRun& run) {
  if (!evaluation_is_due(run.cadence, run.progress, true)) return false;
  const auto holds = [&](const std::string& weights) {
    return is_evaluated(run.world, run.config.eval, run.request.folder, run.progress.step,
                        test_view(run.model.config(), run.config.eval.view), weights);
  };
  return !holds("") || (has_two_weights(run) && !holds(kTrainedWeights));
}

}  // namespace clip_hpc
