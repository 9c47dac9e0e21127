// Passes over images [rows, places, channels] that norms are made of. Sums are over the places of a row, in fp64 after
// every 32 places; `scale` and `shift` are [rows, channels] fp32, and kRelu names what is set to zero: x * scale +
// shift where it is not positive.
#pragma once

#include <ATen/ATen.h>

namespace clip_hpc {

// [2, rows, channels] fp64: of x and of its squares.
at::Tensor channel_sums_cpu(const at::Tensor& x);

// x * scale + shift, in the type of x.
at::Tensor channel_scaled_cpu(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, bool relu);

// [2, rows, channels] fp64: of the gradient and of its products with x, without what relu took.
at::Tensor channel_products_cpu(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale,
                                const at::Tensor& shift, bool relu);

// grad * by_grad + x * by_x + rest, with factors [rows, channels] fp32, in the type of x.
at::Tensor channel_gradient_cpu(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale,
                                const at::Tensor& shift, bool relu, const at::Tensor& by_grad, const at::Tensor& by_x,
                                const at::Tensor& rest);

}  // namespace clip_hpc
