#include "clip_hpc/comm/finalize.hpp"

#include <cstdio>
#include <cstdlib>

#include "clip_hpc/base/deadline.hpp"
#include "clip_hpc/base/log.hpp"
#include "comm/mpi_api.hpp"

namespace clip_hpc {
namespace {

constexpr double kFinalize_s = 30;

double seconds_allowed() {
  const char* const text = std::getenv("CLIP_HPC_FINALIZE_S");
  const double seconds = text != nullptr ? std::atof(text) : 0;
  return seconds > 0 ? seconds : kFinalize_s;
}

}  // namespace

void finalize_mpi(int exit_code) {
  const double seconds = seconds_allowed();
  const Deadline deadline(seconds, [=] {
    log_warn("MPI_Finalize has not returned in {} s; all is written, and the process ends without it", seconds);
    std::fflush(nullptr);
    std::_Exit(exit_code);
  });
  MPI_Finalize();
}

}  // namespace clip_hpc
