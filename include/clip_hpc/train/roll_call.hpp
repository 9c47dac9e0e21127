// Who is missing when ranks wait for one another for ever. MPI cannot be asked then: each rank that waits leaves a word
// in the run folder, and the first of them tells who left none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "clip_hpc/comm/in_flight.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

struct Whereabouts {           // of a rank
  bool waits = true;           // for the others; else it is busy with something of its own
  std::int64_t operation = 0;  // how many of its communication it has begun
  std::string name;            // of the last one
};
Whereabouts whereabouts(const InFlight& in_flight, bool waits);

struct RollCall {
  RunFolder folder;
  int rank = 0, size = 1;
  double patience_s = 1;  // ranks do not give up at the same moment
};
RollCall roll_call(const World& world, const RunFolder& folder, double timeout_s);

// This rank's word. What cannot be written stays unsaid.
void leave_word(const RollCall& call, const Whereabouts& mine);

// Leaves a word, waits for those of the others, and returns what they tell together; nullopt where another rank, a
// lower one, has told it. Takes up to twice the patience, and as long as the storage does.
std::optional<std::string> call_the_roll(const RollCall& call, const Whereabouts& mine);

// "rank 1 on n1 left no word: …". `hosts`: of all ranks, or none where they are not known.
std::string told_by(const std::map<int, Whereabouts>& words, int size, std::span<const std::string> hosts);

void clear_roll_call(const RunFolder& folder);  // the words of an earlier session

}  // namespace clip_hpc
