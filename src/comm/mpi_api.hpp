// The one door to mpi.h. As a system header, its constants (C casts behind macros) do not trip our warnings; rooms
// above never see it.
#pragma once
#pragma GCC system_header

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1  // Open MPI's C++ bindings are gone from the standard
#endif
#include <mpi.h>

namespace clip_hpc::mpi {

inline MPI_Comm world_comm() { return MPI_COMM_WORLD; }
inline MPI_Comm null_comm() { return MPI_COMM_NULL; }
inline MPI_Request null_request() { return MPI_REQUEST_NULL; }
inline MPI_Status* no_status() { return MPI_STATUS_IGNORE; }
inline MPI_Status* no_statuses() { return MPI_STATUSES_IGNORE; }
inline MPI_Info no_info() { return MPI_INFO_NULL; }
inline MPI_Errhandler errors_return() { return MPI_ERRORS_RETURN; }
inline void* in_place() { return MPI_IN_PLACE; }

inline MPI_Datatype type_byte() { return MPI_BYTE; }
inline MPI_Datatype type_uint8() { return MPI_UINT8_T; }
inline MPI_Datatype type_int32() { return MPI_INT32_T; }
inline MPI_Datatype type_int64() { return MPI_INT64_T; }
inline MPI_Datatype type_float() { return MPI_FLOAT; }
inline MPI_Datatype type_double() { return MPI_DOUBLE; }

inline MPI_Op op_sum() { return MPI_SUM; }
inline MPI_Op op_min() { return MPI_MIN; }
inline MPI_Op op_max() { return MPI_MAX; }

}  // namespace clip_hpc::mpi
