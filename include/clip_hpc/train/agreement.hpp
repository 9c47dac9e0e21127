// What all ranks decide together once a step, by one small all-reduce that overlaps with it.
#pragma once

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/train/cadence.hpp"

namespace clip_hpc {

class Agreement {
 public:
  explicit Agreement(World& world) : world_(world) {}
  void propose(const Agreed& mine);  // before the step; what one rank asks for happens on all
  Agreed wait();                     // after it

 private:
  World& world_;
};

}  // namespace clip_hpc
