// CLIP's symmetric softmax loss over the global batch. Each rank compares its own rows with all columns, so logits are
// [local, global] and the work is shared out; gradients flow through the gather.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

// Row of the table: half the sum of both directions' mean cross entropy over the global batch. With options.columns the
// logits are computed in column blocks, and again in backward: memory is [rows, columns] instead of [rows, global] at
// 4/3 of the arithmetic. The result is the same to rounding.
LossTerm softmax_term();

// Sum over rows of -log softmax(scale * queries . keys) at the row's own key; row i's own key is `first` + i.
// queries [rows, dim], keys [global, dim], scale: scalar, not its logarithm. `columns` as options.columns above.
at::Tensor softmax_loss_sum(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& scale,
                            std::int64_t first, std::int64_t columns);

}  // namespace clip_hpc
