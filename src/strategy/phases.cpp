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

std::vector<Leg> legs(std::span<const Phase> phases, std::int64_t total_steps) {
  std::vector<Leg> found(1);
  double until = 0;
  for (const Phase& phase : phases) {
    const std::int64_t begin = std::llround(until * static_cast<double>(total_steps));
    if (phase.lr && begin > 0) {
      found.back().end = begin;
      found.push_back({begin, total_steps, phase.lr});
    } else if (phase.lr) {
      found.back().lr = phase.lr;
    }
    until += phase.fraction_of_run;
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
  double end = 0;
  for (const Phase& phase : phases.first(phases.size() - 1)) {
    end += phase.fraction_of_run;
    if (step < std::llround(end * static_cast<double>(total_steps))) return phase;
  }
  return phases.back();
}

}  // namespace clip_hpc
