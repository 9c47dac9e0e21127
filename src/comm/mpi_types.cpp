#include "comm/mpi_types.hpp"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "clip_hpc/base/error.hpp"
#include "comm/mpi_check.hpp"

namespace clip_hpc {
namespace {

// MPI calls these with runs of elements: inout = in op inout. Through float, rounded to nearest even on the way back.
template <class T>
void sum_elements(void* in, void* inout, int* count, MPI_Datatype*) {
  const T* from = static_cast<const T*>(in);
  T* into = static_cast<T*>(inout);
  for (int i = 0; i < *count; ++i) into[i] = static_cast<T>(static_cast<float>(into[i]) + static_cast<float>(from[i]));
}

template <class T>
void max_elements(void* in, void* inout, int* count, MPI_Datatype*) {
  const T* from = static_cast<const T*>(in);
  T* into = static_cast<T*>(inout);
  for (int i = 0; i < *count; ++i) {
    if (static_cast<float>(from[i]) > static_cast<float>(into[i])) into[i] = from[i];
  }
}

MPI_Op make_op(MPI_User_function* function) {
  MPI_Op op;
  mpi_check(MPI_Op_create(function, 1, &op), "MPI_Op_create");
  return op;
}

}  // namespace

MpiTypes::MpiTypes()
    : bfloat16_sum_(make_op(&sum_elements<c10::BFloat16>)),
      bfloat16_max_(make_op(&max_elements<c10::BFloat16>)),
      half_sum_(make_op(&sum_elements<c10::Half>)),
      half_max_(make_op(&max_elements<c10::Half>)) {
  mpi_check(MPI_Type_contiguous(2, mpi::type_byte(), &two_bytes_), "MPI_Type_contiguous");
  mpi_check(MPI_Type_commit(&two_bytes_), "MPI_Type_commit");
}

MpiTypes::~MpiTypes() {
  int is_down = 0;
  MPI_Finalized(&is_down);
  if (is_down != 0) return;
  for (MPI_Op* op : {&bfloat16_sum_, &bfloat16_max_, &half_sum_, &half_max_}) MPI_Op_free(op);
  MPI_Type_free(&two_bytes_);
}

MPI_Datatype MpiTypes::type_of(c10::ScalarType type) const {
  switch (type) {
    case c10::kFloat:
      return mpi::type_float();
    case c10::kDouble:
      return mpi::type_double();
    case c10::kBFloat16:
    case c10::kHalf:
      return two_bytes_;
    case c10::kInt:
      return mpi::type_int32();
    case c10::kLong:
      return mpi::type_int64();
    case c10::kByte:
    case c10::kBool:
      return mpi::type_uint8();
    default:
      throw internal_error("no MPI type for {}", c10::toString(type));
  }
}

MPI_Op MpiTypes::op_of(c10::ScalarType type, ReduceOp op) const {
  if (type == c10::kBFloat16) return op == ReduceOp::max ? bfloat16_max_ : bfloat16_sum_;
  if (type == c10::kHalf) return op == ReduceOp::max ? half_max_ : half_sum_;
  return op == ReduceOp::max ? mpi::op_max() : mpi::op_sum();
}

}  // namespace clip_hpc
