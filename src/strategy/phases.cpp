#include "clip_hpc/strategy/phases.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

std::int64_t Phase::kept_patches(std::int64_t patches) const {
  if (patches == 0) {  // a tower that has none to leave out
    if (keep_fraction < 1) {
      throw input_error("strategy.name = flip drops patches, and this image tower needs all of them");
    }
    return 0;
  }
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(patches) * keep_fraction));
}

std::vector<std::int64_t> phase_begins(std::span<const Phase> phases, std::int64_t total_steps) {
  std::vector<std::int64_t> begins;
  double until = 0;
  for (const Phase& phase : phases) {
    begins.push_back(std::llround(until * static_cast<double>(total_steps)));
    until += phase.fraction_of_run;
  }
  return begins;
}

std::vector<Leg> legs(std::span<const Phase> phases, std::int64_t total_steps) {
  std::vector<Leg> found(1);
  const std::vector<std::int64_t> begins = phase_begins(phases, total_steps);
  for (std::size_t i = 0; i < phases.size(); ++i) {
    if (phases[i].lr && begins[i] > 0) {
      found.back().end = begins[i];
      found.push_back({begins[i], total_steps, phases[i].lr});
    } else if (phases[i].lr) {
      found.back().lr = phases[i].lr;
    }
  }
  found.back().end = total_steps;
  return found;
}

Leg leg_at(std::span<const Phase> phases, std::int64_t step, std::int64_t total_steps) {
  const std::vector<Leg> all = legs(phases, total_steps);
  const auto found = std::ranges::find_if(all, [step](const Leg& leg) { return step < leg.end; });
  return found == all.end() ? all.back() : *found;  // the end of the run is nobody's beginning
}

const Phase& phase_at(std::span<const Phase> phases, std::int64_t step, std::int64_t total_steps) {
  const std::vector<std::int64_t> begins = phase_begins(phases, total_steps);
  std::size_t i = 0;
  while (i + 1 < phases.size() && step >= begins[i + 1]) ++i;
  return phases[i];
}

}  // namespace clip_hpc
