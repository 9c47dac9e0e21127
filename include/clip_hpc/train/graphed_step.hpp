// A training step as a CUDA graph, one for each shape of a batch: the first steps of a shape run plainly, then one is
// recorded, and from there on replayed, by all ranks alike. What the host decides a step (lr) must lie in tensors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/train/pair_batch.hpp"

namespace clip_hpc {

class GraphedStep {
 public:
  using Step = std::function<void(const PairBatch&)>;  // asks the device for one step; what comes out lies in tensors

  // Ranks record and replay together, so with graphs all must bring batches of one shape in every step.
  GraphedStep(World& world, const ComputeDevice& device, bool on, Step step);
  void run(const PairBatch& batch);
  const std::string& refusal() const { return refusal_; }  // why there are no graphs although they are on; or empty
  std::size_t graphs() const;                              // recorded so far

 private:
  struct Recorded {
    PairBatch batch;  // the addresses that the graph reads
    std::unique_ptr<StepGraph> graph;
    int plain_runs = 0;
  };
  Recorded& recorded_for(const PairBatch& batch);

  World& world_;
  ComputeDevice device_;
  bool on_;
  Step step_;
  std::string refusal_;
  std::vector<Recorded> recorded_;
};

}  // namespace clip_hpc
