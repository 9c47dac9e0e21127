// Work that may fail on one rank alone, as reading and decoding do: all ranks learn of it before the next collective.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

// What an exception says, as an Error; LibTorch's without its stack.
Error as_error(const std::exception& problem);

// Collective. Throws on all ranks the problem of the first rank that has one.
void agree(Communicator& comm, const std::optional<Error>& problem);

// Collective, though `work` must enter no collective itself: returns on all ranks, or throws the same on all of them.
template <class Work>
void together(Communicator& comm, Work&& work) {
  std::optional<Error> problem;
  try {
    std::forward<Work>(work)();
  } catch (const std::exception& one) {
    problem = as_error(one);
  }
  agree(comm, problem);
}

}  // namespace clip_hpc
