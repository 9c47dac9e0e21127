// What happens after a step, and when: pure functions of the progress and of what the ranks agreed on.
#pragma once

#include <cstdint>
#include <vector>

#include "clip_hpc/run/progress.hpp"

namespace clip_hpc {

struct Cadence {
  std::int64_t global_batch = 0;
  std::int64_t save_every_steps = 0;        // 0: not by steps
  std::int64_t evaluate_every_samples = 0;  // 0: not by samples
  bool evaluate_at_checkpoints = false;
  std::int64_t check_ranks_every_steps = 0;  // 0: never
  std::vector<std::int64_t> save_at_steps = {};
};

struct Agreed {  // by all ranks, after a step
  bool stop = false, save = false;
  bool writing = false, save_failed = false;  // the checkpoint that is under way
};

struct Decision {
  bool check_ranks = false, save = false, evaluate = false, stop = false;  // in this order
};

// The last step saves and does not stop: training is done, and its evaluation follows the loop. A run that stops saves
// first and leaves a due evaluation to the session that resumes it.
Decision decide(const Cadence& cadence, const Progress& progress, const Agreed& agreed);

// An evaluation belongs to this step, where `has_checkpoint` says whether the step has one: it passed a multiple of
// evaluate_every_samples, or each checkpoint is evaluated. Never the last step's, which is evaluated in any case.
bool evaluation_is_due(const Cadence& cadence, const Progress& progress, bool has_checkpoint);

}  // namespace clip_hpc
