#include "clip_hpc/train/cadence.hpp"

#include <algorithm>

namespace clip_hpc {

Decision decide(const Cadence& cadence, const Progress& progress, const Agreed& agreed) {
  const bool is_last = progress.step == progress.total_steps;
  const std::int64_t every = cadence.save_every_steps;
  const bool saves = is_last || agreed.save || (every > 0 && progress.step % every == 0) ||
                     std::ranges::find(cadence.save_at_steps, progress.step) != cadence.save_at_steps.end();
  const std::int64_t check = cadence.check_ranks_every_steps;
  Decision decision;
  decision.check_ranks = check > 0 && (progress.step % check == 0 || is_last);
  decision.stop = agreed.stop && !is_last;
  decision.save = saves || decision.stop;
  decision.evaluate = !decision.stop && evaluation_is_due(cadence, progress, saves);
  return decision;
}

bool evaluation_is_due(const Cadence& cadence, const Progress& progress, bool has_checkpoint) {
  if (progress.step == 0 || progress.step == progress.total_steps) return false;
  if (cadence.evaluate_at_checkpoints && has_checkpoint) return true;
  const std::int64_t every = cadence.evaluate_every_samples;
  return every > 0 && progress.samples_seen / every != (progress.samples_seen - cadence.global_batch) / every;
}

}  // namespace clip_hpc
