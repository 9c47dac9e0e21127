// Every MPI return code goes through mpi_check: MPI_ERRORS_RETURN is set on all of our communicators.
#pragma once

#include "comm/mpi_api.hpp"

namespace clip_hpc {

void mpi_check(int code, const char* call);  // throws Error{comm} that names the call and MPI's own words

}  // namespace clip_hpc
