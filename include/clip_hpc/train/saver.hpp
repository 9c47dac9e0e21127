// The run's checkpoints: written beside the training, and waited for before anything that may end it.
#pragma once

#include <cstdint>

#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/checkpoint/checkpoint_writer.hpp"
#include "clip_hpc/train/cadence.hpp"
#include "clip_hpc/train/setup.hpp"

namespace clip_hpc {

class Saver {
 public:
  explicit Saver(TrainingRun& run);

  Agreed proposal(bool stop) const;       // of this rank, for the step that comes
  void after_step(const Agreed& agreed);  // collective; throws on all ranks what could not be written
  void begin();                           // collective
  void finish();                          // collective: what was begun is complete
  void report() const;                    // how many there were, and what they cost

 private:
  TrainingRun& run_;
  CheckpointWriter writer_;
  Timer session_, since_checkpoint_;
  double waited_s_ = 0;  // what the training waited for checkpoints
  std::int64_t count_ = 0;
};

}  // namespace clip_hpc
