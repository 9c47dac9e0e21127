// The end of MPI.
#pragma once

namespace clip_hpc {

// MPI_Finalize, and no longer than CLIP_HPC_FINALIZE_S seconds (30): Open MPI 4.1 can lock up in it, when a program
// ends soon after its start. Then the process ends at once, with `exit_code`: what it had to write is written. To be
// called when all ranks have met, so that none waits here for one that still works.
void finalize_mpi(int exit_code);

}  // namespace clip_hpc
