// A batch that does not fit into memory at once: features of the whole batch without a graph, the gradient of the loss
// by them, then micro-batch after micro-batch again with a graph (GradCache, arXiv 2101.06983). The gradient is that of
// the whole batch, that of the logits' scale and bias included; only the order of its sums differs. It costs one more
// forward pass.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/train/grad_reducer.hpp"
#include "clip_hpc/train/pair_batch.hpp"

namespace clip_hpc {

// Throws input where the image tower's BatchNorm looks at the whole batch, which micro-batches and recomputation take
// apart. The last two: what a user calls them.
void check_parts(const ClipModel& model, std::int64_t micro_batch, bool recompute,
                 const char* micro_batch_key = "train.micro_batch", const char* recompute_key = "train.recompute");

using PartialLoss = std::function<at::Tensor(const Encoded& rows, const Scales& scales)>;  // partial_loss of a run

// Collective. Adds this rank's gradients to the arena and sums them over ranks through `reducer`; the arena's gradients
// must be zero before. `micro_batch` rows at a time, at least 1. Returns this rank's part of the loss.
at::Tensor backward_in_micro_batches(const ClipModel& model, GradReducer& reducer, const PairBatch& batch,
                                     std::int64_t micro_batch, const PartialLoss& loss);

}  // namespace clip_hpc
