// What ends a program, as an Error: the exceptions of the libraries that all programs share have kinds, too.
#pragma once

#include <exception>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

// An Error stays as it is. Of a file system, and a JSON file with something else in it than was written there: storage.
// No memory left: input, since something was asked for that does not fit. Others: internal.
Error error_of(const std::exception& problem);
Error out_of_memory();

}  // namespace clip_hpc
