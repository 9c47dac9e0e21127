// MPI types and reductions for the element types of tensors; bfloat16 and float16 are our own.
#pragma once

#include <c10/core/ScalarType.h>

#include "clip_hpc/comm/communicator.hpp"
#include "comm/mpi_api.hpp"

namespace clip_hpc {

class MpiTypes {
 public:
  MpiTypes();
  ~MpiTypes();
  MpiTypes(const MpiTypes&) = delete;
  MpiTypes& operator=(const MpiTypes&) = delete;

  MPI_Datatype type_of(c10::ScalarType type) const;
  MPI_Op op_of(c10::ScalarType type, ReduceOp op) const;  // mean is a sum: divide afterwards

 private:
  MPI_Datatype two_bytes_;
  MPI_Op bfloat16_sum_;
  MPI_Op bfloat16_max_;
  MPI_Op half_sum_;
  MPI_Op half_max_;
};

}  // namespace clip_hpc
