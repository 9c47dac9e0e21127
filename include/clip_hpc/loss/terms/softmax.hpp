// CLIP's symmetric softmax loss over the global batch. Each rank compares its own images with all texts, so logits are
// [local, global] and the work is shared out; what other ranks add to a text's column is exchanged as one number a
// text.
#pragma once

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

// Row of the table: half the sum of both directions' mean cross entropy over the global batch. With options.columns the
// logits are computed in column blocks, and again in backward: memory is [rows, columns] instead of [rows, global] at
// 4/3 of the arithmetic. The result is the same to rounding. Its backward pass runs once: the gradients of all texts
// are written over the texts. With options.partial_gradient, on several ranks, the features that a row is compared with
// are constants: an image learns from its own row of the loss alone, a text from its own.
LossTerm softmax_term();

}  // namespace clip_hpc
