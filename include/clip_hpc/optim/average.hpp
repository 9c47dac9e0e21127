// Exponential moving average of the weights, which evaluations use (Polyak and Juditsky 1992; open_clip's and timm's
// EMA).
#pragma once

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/optim/update_counters.hpp"

namespace clip_hpc {

class WeightAverage {
 public:
  WeightAverage(ParameterArena& arena, double decay);  // decay 0: none is kept, and all below does nothing
  bool is_kept() const { return average_.defined(); }
  const at::Tensor& weights() const { return average_; }  // [held] fp32; not defined where none is kept
  void restart();                                         // from the weights of now

  // After update t, which `counters` has counted, the average moves towards the weights by a decay of at most
  // (1 + t) / (10 + t), so that short runs, too, forget where they began. It stays where the norm is not finite.
  void update(const at::Tensor& norm, const UpdateCounters& counters);

  // Collective. Exchanges the weights that the model computes with for their average, and back again at the next call.
  void exchange(Communicator& comm);

 private:
  ParameterArena& arena_;
  double decay_;
  at::Tensor average_;
};

}  // namespace clip_hpc
