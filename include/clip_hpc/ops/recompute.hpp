// Activation recomputation: of a piece of the network only its input is kept, and backward computes the piece again.
// Memory falls from all activations of a block to one tensor, for one more forward pass.
#pragma once

#include <ATen/ATen.h>

#include <functional>

namespace clip_hpc {

// piece(x), where `piece` is a function of x and of leaves alone (no other tensor with a history), the same every time.
// Gradients of the leaves are accumulated as backward reaches the piece.
at::Tensor recomputed(std::function<at::Tensor(const at::Tensor&)> piece, const at::Tensor& x);

}  // namespace clip_hpc
