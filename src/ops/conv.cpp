#include "clip_hpc/ops/conv.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "clip_hpc/ops/linear.hpp"
#include "ops/depthwise_cpu.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Depthwise : torch::autograd::Function<Depthwise> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    return depthwise_cpu(x, weight, bias, has_fast_library(x.scalar_type()));
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    const auto [by_weight, by_bias] = depthwise_by_weight_cpu(grad, saved[0], saved[1].size(2));
    const at::Tensor by_x = context->needs_input_grad(0)
                                ? depthwise_by_input_cpu(grad, saved[1], has_fast_library(grad.scalar_type()))
                                : at::Tensor();
    return {by_x, by_weight, by_bias};
  }
};

bool is_depthwise(const at::Tensor& x, const at::Tensor& weight, const ConvShape& shape) {
  const at::ScalarType type = x.scalar_type();
  const std::int64_t kernel = weight.size(2);
  return x.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && weight.scalar_type() == type &&
         shape.groups == x.size(3) && weight.size(0) == x.size(3) && shape.stride == 1 && kernel % 2 == 1 &&
         shape.padding == kernel / 2 && x.numel() > 0;
}

// Windows that neither overlap nor leave a gap: a product of patches and weights.
bool is_of_patches(const at::Tensor& x, const at::Tensor& weight, const ConvShape& shape) {
  const std::int64_t k = weight.size(2);
  return shape.stride == k && shape.padding == 0 && shape.groups == 1 && x.size(1) % k == 0 && x.size(2) % k == 0;
}

at::Tensor conv_of_patches(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t out = weight.size(0), in = weight.size(1), k = weight.size(2);
  if (k == 1) return linear_layer(x, weight.view({out, in}), bias);
  const at::Tensor patches = x.view({x.size(0), x.size(1) / k, k, x.size(2) / k, k, in})
                                 .permute({0, 1, 3, 2, 4, 5})
                                 .reshape({x.size(0), x.size(1) / k, x.size(2) / k, k * k * in});
  return linear_layer(patches, weight.permute({0, 2, 3, 1}).reshape({out, k * k * in}), bias);
}

}  // namespace

at::Tensor conv_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          const ConvShape& shape) {
  const std::optional<at::Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  const at::Tensor planes = x.permute({0, 3, 1, 2});  // [batch, in, height, width], in the memory of x
  const at::Tensor out = at::conv2d(planes, weight, given, {shape.stride, shape.stride}, {shape.padding, shape.padding},
                                    {1, 1}, shape.groups);
  return out.permute({0, 2, 3, 1}).contiguous();
}

at::Tensor conv_channels_last(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const ConvShape& shape) {
  if (is_of_patches(x, weight, shape)) return conv_of_patches(x.contiguous(), weight, bias);
  if (!bias.defined() || !is_depthwise(x, weight, shape)) return conv_reference(x, weight, bias, shape);
  return Depthwise::apply(x.contiguous(), weight.contiguous(), bias.contiguous());
}

}  // namespace clip_hpc
