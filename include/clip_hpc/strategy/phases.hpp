// A run in phases: what changes on the way, as a function of progress alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace clip_hpc {

struct Phase {
  double fraction_of_run = 1;                             // of all steps; the fractions of a run's phases add up to 1
  double keep_fraction = 1;                               // of the patches; the class token always stays
  std::optional<double> lr = {};                          // of its own: warm-up and schedule begin anew with it
  std::int64_t text_tokens = 0;                           // of a caption, at most; 0: all that the model reads
  std::int64_t image_size = 0;                            // side of the images; 0: the model's
  std::int64_t kept_patches(std::int64_t patches) const;  // int(patches * keep_fraction), at least 1; of 0 none
};

// The phase of step `step` (from 0) of `total_steps`. The last phase also holds what rounding leaves over.
const Phase& phase_at(std::span<const Phase> phases, std::int64_t step, std::int64_t total_steps);

// The steps [begin, end) that one schedule of the learning rate runs over; `lr`: none is the run's own.
struct Leg {
  std::int64_t begin = 0, end = 0;
  std::optional<double> lr = {};
};
// The step from which each phase runs, ascending; one number a phase.
std::vector<std::int64_t> phase_begins(std::span<const Phase> phases, std::int64_t total_steps);
std::vector<Leg> legs(std::span<const Phase> phases, std::int64_t total_steps);
Leg leg_at(std::span<const Phase> phases, std::int64_t step, std::int64_t total_steps);

}  // namespace clip_hpc
