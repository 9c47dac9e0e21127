// Libraries that MPI opens for itself.
#pragma once

namespace clip_hpc {

// Keeps the components that Open MPI has opened, and what they need, in memory until the process is gone. MPI_Finalize
// closes them, and a thread of PMIx may still be in one: a program that ended soon after its start then died of
// SIGSEGV, about once in a hundred times on a busy machine. Call after MPI_Init.
void pin_mpi_components();

}  // namespace clip_hpc
