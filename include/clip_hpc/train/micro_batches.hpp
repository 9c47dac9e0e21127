// A batch that does not fit into memory at once: features of the whole batch without a graph, the gradient of the loss
// by them, then micro-batch after micro-batch again with a graph (GradCache, arXiv 2101.06983). The gradient is that of
// the whole batch, the logit scale's included; only the order of its sums differs. It costs one more forward pass.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/train/grad_reducer.hpp"

namespace clip_hpc {

struct PairBatch {                    // this rank's rows
  at::Tensor bytes;                   // [rows, 3, size, size] uint8
  at::Tensor ids;                     // [rows, tokens]
  std::optional<at::Tensor> kept;     // [rows, kept] patches that stay
  std::vector<std::int32_t> lengths;  // [rows] tokens of each caption; empty: captions are not packed
  PairBatch slice(std::int64_t begin, std::int64_t end) const;
};

struct Features {
  at::Tensor image, text;  // [rows, embed_dim] fp32, unit length
};
Features encode(const ClipModel& model, const PairBatch& batch);

// Collective. Adds this rank's gradients to the arena and sums them over ranks through `reducer`; the arena's gradients
// must be zero before. `micro_batch` rows at a time, at least 1. Returns this rank's share of the loss.
at::Tensor backward_in_micro_batches(Communicator& comm, const ClipModel& model, GradReducer& reducer,
                                     const PairBatch& batch, std::span<const std::int64_t> rows_per_rank,
                                     std::int64_t micro_batch, std::int64_t loss_columns);

}  // namespace clip_hpc
