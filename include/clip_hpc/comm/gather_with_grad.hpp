// The all-gather of a contrastive loss: every rank sees all rows, and every rank's gradient flows back to the owner.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

// local [rows_per_rank[rank], ...] -> [sum of rows_per_rank, ...] in rank order. Backward: the gradients of all ranks
// are summed (reduce-scatter), and each rank gets its rows; so all ranks must enter backward, and `communicator` must
// live until then. Backward runs where autograd runs it: for CPU tensors the thread that called backward().
at::Tensor gather_rows(Communicator& communicator, const at::Tensor& local,
                       std::span<const std::int64_t> rows_per_rank);

// Its two halves for a function that makes its own gradient: a new tensor of all rows, and this rank's rows of the sum
// over ranks of `all`. Collective.
at::Tensor all_rows(Communicator& communicator, const at::Tensor& local, std::span<const std::int64_t> rows_per_rank);
at::Tensor sum_to_owner(Communicator& communicator, const at::Tensor& all, std::span<const std::int64_t> rows_per_rank);

}  // namespace clip_hpc
