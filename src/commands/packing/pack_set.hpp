// One set of a source, packed by all ranks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

// In the output folder while a command is at work there: what it leaves when it is stopped, a later try goes on from.
inline constexpr const char* kUnfinishedPack = "unfinished.pack";

struct PackHow {
  bool keep_going = false;  // make a set of what can be read
  bool strict = false;      // make none where there is a warning
};

// Collective. Parts go round the ranks; rank 0 says what there is to say and writes what makes the set complete. Throws
// where there is no set. Returns what is wrong with a set that was made all the same; empty: nothing. `unfinished`:
// made as soon as it is known that the folder may be packed into.
std::string pack_set(World& world, const PackSource& source, const std::filesystem::path& folder, const PackHow& how,
                     const std::filesystem::path& unfinished);

// Collective. Which sets of an earlier try of this very command, that ended before all was done, need not be packed
// again. None where all was done. `tokenizer`: the file that the command is to make; empty: none.
std::vector<bool> sets_packed_before(World& world, const OpenedSource& opened, const std::filesystem::path& output,
                                     const std::filesystem::path& tokenizer);

}  // namespace clip_hpc
