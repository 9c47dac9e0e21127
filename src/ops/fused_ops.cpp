#include "clip_hpc/ops/fused_ops.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include "clip_hpc/device/device_kernels.hpp"
#include "ops/fused_ops_cpu.hpp"
#include "ops/fused_ops_kernels.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const FusedBodies kCpuBodies{&bias_gelu_cpu,  &bias_gelu_backward_cpu, &add_bias_cpu,           &column_sums_cpu,
                             &layer_norm_cpu, &add_layer_norm_cpu,     &layer_norm_backward_cpu};

// The bodies for this device; null where there are none.
const FusedBodies* bodies_on(const at::Tensor& x) {
  if (x.is_cpu()) return &kCpuBodies;
  const FusedOpsKernels* const kernels = x.is_cuda() ? device_kernels<FusedOpsKernels>() : nullptr;
  return kernels == nullptr ? nullptr : &kernels->bodies;
}

struct BiasGelu : torch::autograd::Function<BiasGelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias, Gelu kind) {
    context->save_for_backward({x, bias});
    context->saved_data["kind"] = static_cast<std::int64_t>(kind);
    return bodies_on(x)->bias_gelu(x, bias, kind);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const auto kind = static_cast<Gelu>(context->saved_data["kind"].toInt());
    auto [by_x, by_bias] = bodies_on(grads[0])->bias_gelu_backward(grads[0].contiguous(), saved[0], saved[1], kind);
    return {by_x, by_bias, at::Tensor()};
  }
};

struct AddBias : torch::autograd::Function<AddBias> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias) {
    return bodies_on(x)->add_bias(x, delta, bias);
  }
  static variable_list backward(AutogradContext*, const variable_list& grads) {
    return {grads[0], grads[0], bodies_on(grads[0])->column_sums(grads[0].contiguous())};
  }
};

struct LayerNormOp : torch::autograd::Function<LayerNormOp> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, double eps) {
    const NormOutputs outputs = bodies_on(x)->layer_norm(x, gamma, beta, eps);
    context->save_for_backward({x, gamma, outputs.mean, outputs.rstd});
    return outputs.normed;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const NormGradients by = bodies_on(saved[0])->layer_norm_backward(grads[0].contiguous(), at::Tensor(), saved[0],
                                                                      saved[1], saved[2], saved[3]);
    return {by.by_x, by.by_gamma, by.by_beta, at::Tensor()};
  }
};

struct AddLayerNorm : torch::autograd::Function<AddLayerNorm> {
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& delta,
                               const at::Tensor& bias, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
    const AddNormOutputs outputs = bodies_on(x)->add_layer_norm(x, delta, bias, gamma, beta, eps);
    context->save_for_backward({outputs.sum, gamma, outputs.norm.mean, outputs.norm.rstd});
    return {outputs.sum, outputs.norm.normed};
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {  // by sum, by normed
    const variable_list saved = context->get_saved_variables();
    const NormGradients by = bodies_on(saved[0])->layer_norm_backward(grads[1].contiguous(), grads[0].contiguous(),
                                                                      saved[0], saved[1], saved[2], saved[3]);
    return {by.by_x, by.by_x, by.by_bias, by.by_gamma, by.by_beta, at::Tensor()};
  }
};

// Whether a fused body takes x [..., width] and others [width] or of x's shape.
bool fusable(const at::Tensor& x, std::initializer_list<at::Tensor> others) {
  const at::ScalarType type = x.scalar_type();
  bool fused = bodies_on(x) != nullptr && (type == at::kFloat || type == at::kBFloat16) && x.numel() > 0;
  for (const at::Tensor& other : others) {
    fused = fused && other.device() == x.device() && other.scalar_type() == type &&
            (other.sizes() == x.sizes() || (other.dim() == 1 && other.size(0) == x.size(-1)));
  }
  return fused;
}

// The device's norms hold a row in registers.
bool norm_fusable(const at::Tensor& x, std::initializer_list<at::Tensor> others) {
  return fusable(x, others) && (x.is_cpu() || x.size(-1) <= device_kernels<FusedOpsKernels>()->widest_row);
}

}  // namespace

at::Tensor bias_gelu_reference(const at::Tensor& x, const at::Tensor& bias, Gelu kind) {
  const at::Tensor u = x + bias;
  if (kind == Gelu::quick) return u * at::sigmoid(1.702 * u);
  return at::gelu(u, kind == Gelu::tanh ? "tanh" : "none");
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, Gelu kind) {
  if (!fusable(x, {bias})) return bias_gelu_reference(x, bias, kind);
  return BiasGelu::apply(x.contiguous(), bias.contiguous(), kind);
}

at::Tensor add_bias_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias) {
  return x + (delta + bias);
}

at::Tensor add_bias(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias) {
  if (!fusable(x, {delta, bias})) return add_bias_reference(x, delta, bias);
  return AddBias::apply(x.contiguous(), delta.contiguous(), bias.contiguous());
}

at::Tensor layer_norm_reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  return at::layer_norm(x, {x.size(-1)}, gamma, beta, eps);
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  if (!norm_fusable(x, {gamma, beta})) return layer_norm_reference(x, gamma, beta, eps);
  return LayerNormOp::apply(x.contiguous(), gamma.contiguous(), beta.contiguous(), eps);
}

SumAndNorm add_layer_norm_reference(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                                    const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  const at::Tensor sum = add_bias_reference(x, delta, delta_bias);
  return {sum, layer_norm_reference(sum, gamma, beta, eps)};
}

SumAndNorm add_layer_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& delta_bias,
                          const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  if (!norm_fusable(x, {delta, delta_bias, gamma, beta})) {
    return add_layer_norm_reference(x, delta, delta_bias, gamma, beta, eps);
  }
  const variable_list outputs = AddLayerNorm::apply(x.contiguous(), delta.contiguous(), delta_bias.contiguous(),
                                                    gamma.contiguous(), beta.contiguous(), eps);
  return {outputs[0], outputs[1]};
}

}  // namespace clip_hpc
