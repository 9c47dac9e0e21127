#include "clip_hpc/model/fused_ops.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include "fused_ops_cpu.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct BiasGelu : torch::autograd::Function<BiasGelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias, bool quick) {
    context->save_for_backward({x, bias});
    context->saved_data["quick"] = quick;
    return bias_gelu_cpu(x, bias, quick);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    auto [by_x, by_bias] =
        bias_gelu_backward_cpu(grads[0].contiguous(), saved[0], saved[1], context->saved_data["quick"].toBool());
    return {by_x, by_bias, at::Tensor()};
  }
};

}  // namespace

at::Tensor bias_gelu_reference(const at::Tensor& x, const at::Tensor& bias, bool quick) {
  const at::Tensor u = x + bias;
  return quick ? u * at::sigmoid(1.702 * u) : at::gelu(u);
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool quick) {
  const at::ScalarType type = x.scalar_type();
  const bool fused = x.is_cpu() && x.is_contiguous() && bias.is_contiguous() && bias.scalar_type() == type &&
                     (type == at::kFloat || type == at::kBFloat16);
  return fused ? BiasGelu::apply(x, bias, quick) : bias_gelu_reference(x, bias, quick);
}

}  // namespace clip_hpc
