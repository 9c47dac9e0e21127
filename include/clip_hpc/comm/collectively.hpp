// Work that may fail on one rank alone, as reading and decoding do: all ranks learn of it before the next collective.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

// What an exception says, as an Error; LibTorch's without its stack, of a file system as storage.
Error as_error(const std::exception& problem);

// Collective. Throws on all ranks the problem of the first rank that has one.
void agree(Communicator& comm, const std::optional<Error>& problem);
void agree(World& world, const std::optional<Error>& problem);

// Collective, though `work` must enter no collective itself: returns on all ranks, or throws the same on all of them.
// Ranks: a Communicator or the World.
template <class Ranks, class Work>
void together(Ranks& ranks, Work&& work) {
  std::optional<Error> problem;
  try {
    std::forward<Work>(work)();
  } catch (const std::exception& one) {
    problem = as_error(one);
  }
  agree(ranks, problem);
}

}  // namespace clip_hpc
