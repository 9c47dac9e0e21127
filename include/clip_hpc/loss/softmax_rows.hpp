// The cross entropy of rows against keys, whole or in blocks of columns: what contrastive terms are made of.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace clip_hpc {

struct RowKeys {               // which keys belong to row i
  std::int64_t own = 0;        // `own` + i is its own
  std::int64_t excluded = -1;  // `excluded` + i takes no part, as a row's own picture among the keys; -1: all take part
};

// Sum over rows of -log softmax(scale * queries . keys) at the row's own key. queries [rows, dim], keys [n, dim],
// scale: scalar, not its logarithm. With `columns` > 0 the logits are computed in blocks of so many columns, and again
// in backward: memory is [rows, columns] instead of [rows, n] at 4/3 of the arithmetic. The same to rounding.
at::Tensor softmax_loss_sum(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& scale,
                            const RowKeys& which, std::int64_t columns);

}  // namespace clip_hpc
