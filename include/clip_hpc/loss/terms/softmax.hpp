// CLIP's symmetric softmax loss over the global batch. Each rank compares its own rows with all columns, so logits are
// [local, global] and the work is shared out; gradients flow through the gather.
#pragma once

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

// Row of the table: half the sum of both directions' mean cross entropy over the global batch. With options.columns the
// logits are computed in column blocks, and again in backward: memory is [rows, columns] instead of [rows, global] at
// 4/3 of the arithmetic. The result is the same to rounding.
LossTerm softmax_term();

}  // namespace clip_hpc
