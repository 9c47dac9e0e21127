// CLIP's symmetric softmax loss over the global batch. Each rank compares its own rows with all columns, so logits are
// [local, global] and the work is shared out; gradients flow through the gather.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

// image, text: this rank's features [rows of this rank, embed_dim], fp32 or fp64, unit length. logit_scale: scalar, ln
// of the scale. rows_per_rank: how the global batch is shared out; row order is rank order.
// Returns this rank's share of the loss: sum over its rows of 0.5 (CE(image -> text) + CE(text -> image)) / global
// rows. The sum of the shares over ranks is the loss, the sum of the gradients over ranks its gradient: no averaging.
// `columns`: 0, or how many columns of the logits are in memory at a time; they are then computed again in backward, so
// that memory is [local, columns] instead of [local, global] at 4/3 of the arithmetic. The result is the same to
// rounding.
at::Tensor contrastive_loss_share(Communicator& comm, const at::Tensor& image, const at::Tensor& text,
                                  const at::Tensor& logit_scale, std::span<const std::int64_t> rows_per_rank,
                                  std::int64_t columns = 0);

// Sum over rows of -log softmax(scale * queries . keys) at the row's own key; row i's own key is `first` + i.
// queries [rows, dim], keys [global, dim], scale: scalar, not its logarithm. `columns` as above.
at::Tensor softmax_loss_sum(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& scale,
                            std::int64_t first, std::int64_t columns);

}  // namespace clip_hpc
