// SigLIP's loss (arXiv 2303.15343): every pair of an image and a text is a yes-or-no question, so nothing is normalised
// over the batch, and a block of columns gives its gradient as soon as it is computed.
#pragma once

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

// Row of the table: 1 / global * sum over all pairs of log(1 + exp(-label * (scale * cosine + bias))), label +1 for a
// row's own text and -1 for others. One pass of 6 * rows * global * embed_dim FLOP a rank: forward also computes the
// gradients. The texts go round the ranks, so memory is [rows, columns] logits and the texts of one rank, whatever the
// global batch.
LossTerm sigmoid_term();

}  // namespace clip_hpc
