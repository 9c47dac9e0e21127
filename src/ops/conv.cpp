#include "clip_hpc/ops/conv.hpp"

#include <optional>

namespace clip_hpc {

at::Tensor conv_channels_last(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const ConvShape& shape) {
  const std::optional<at::Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  const at::Tensor planes = x.permute({0, 3, 1, 2});  // [batch, in, height, width], in the memory of x
  const at::Tensor out = at::conv2d(planes, weight, given, {shape.stride, shape.stride}, {shape.padding, shape.padding},
                                    {1, 1}, shape.groups);
  return out.permute({0, 2, 3, 1}).contiguous();
}

}  // namespace clip_hpc
