// How far a run is: three integers, kept in every checkpoint.
#pragma once

#include <cstdint>

namespace clip_hpc {

struct Progress {
  std::int64_t step = 0;  // steps done
  std::int64_t samples_seen = 0;
  std::int64_t total_steps = 0;  // that the run is to take; 0: not known
};

}  // namespace clip_hpc
