// One training step: forward, backward, update. The loop and `clip_hpc bench step` run this one.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/comm/batch_split.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/optim/updater.hpp"
#include "clip_hpc/train/batch_feed.hpp"
#include "clip_hpc/train/grad_reducer.hpp"
#include "clip_hpc/train/graphed_step.hpp"
#include "clip_hpc/train/pair_batch.hpp"
#include "clip_hpc/train/step_clock.hpp"

namespace clip_hpc {

struct StepOptions {
  std::vector<WeightedTerm> terms;
  LossOptions loss;
  std::int64_t micro_batch = 0;  // rows that are in memory at once; 0: all of this rank's
  double bucket_mib = 4;         // of gradients that travel together
  bool reduce_in_fp32 = false;
  bool cuda_graph = false;
  bool forbid_waits = false;  // throw where the step would wait for the GPU
};

// On the device, and overwritten by the next step.
struct StepResult {
  at::Tensor loss;       // fp64 scalar: this rank's part
  at::Tensor grad_norm;  // fp64 scalar: of all ranks' gradients together
};

// What a step is made of, as the clock counts it.
enum class StepPiece : std::size_t { prepare, forward, backward, update };
using StepSeconds = std::array<double, 4>;  // by StepPiece; in a graph, all of it is `update`

class TrainStep {
 public:
  // `communicator`, `model` and `updater` are used by every step; ranks run steps together.
  TrainStep(World& world, const ComputeDevice& device, Communicator& communicator, ClipModel& model, Updater& updater,
            BatchSplit split, StepOptions options);

  // `host`: this rank's rows in host memory, which on a CPU must last until the step is over. Asks the device for the
  // step and does not wait for it. A gradient that is not finite changes nothing but the counters of skipped steps.
  StepResult run(const PairBatch& host, double lr);

  StepSeconds collect_s();  // since the last call; what was asked must be done (Communicator::synchronize)
  const std::string& graph_refusal() const { return graphed_.refusal(); }
  GradReducer& reducer() { return reducer_; }

 private:
  void forward_backward_update(const PairBatch& batch);
  at::Tensor forward_backward(const PairBatch& batch);
  void lap(StepPiece piece);

  Communicator& communicator_;
  ClipModel& model_;
  Updater& updater_;
  BatchSplit split_;
  StepOptions options_;
  GradReducer reducer_;
  BatchFeed feed_;
  StepClock clock_;
  GraphedStep graphed_;
  at::Tensor lr_, loss_, grad_norm_;  // of their own, since a graph may stand for the step
};

}  // namespace clip_hpc
