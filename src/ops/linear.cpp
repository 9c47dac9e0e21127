#include "clip_hpc/ops/linear.hpp"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ops/fused_ops_cpu.hpp"
#include "ops/sgemm.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kLeastRows = 48;  // of a thread: oneDNN's own tile

struct Operand {
  at::Tensor tensor;  // [rows, columns] contiguous
  bool transposed = false;
  Factor from_row(std::int64_t row) const {
    const std::int64_t stride = tensor.size(1);
    return {tensor.const_data_ptr<float>() + (transposed ? row : row * stride), stride, transposed};
  }
  std::int64_t rows() const { return tensor.size(transposed ? 1 : 0); }
  std::int64_t columns() const { return tensor.size(transposed ? 0 : 1); }
};

// C = A B (+ C): every thread has rows of C, so the order of a sum does not depend on their number.
void multiply(const Operand& a, const Operand& b, bool add, const at::Tensor& c) {
  const std::int64_t m = a.rows(), n = b.columns(), k = a.columns();
  const std::int64_t threads = at::get_num_threads();
  auto* const out = c.data_ptr<float>();
  at::parallel_for(0, m, std::max(kLeastRows, (m + threads - 1) / threads), [&](std::int64_t begin, std::int64_t end) {
    sgemm(end - begin, n, k, 1, a.from_row(begin), b.from_row(0), add ? 1.F : 0.F, out + begin * n, n);
  });
}

std::optional<at::Tensor> if_given(const at::Tensor& bias) {
  return bias.defined() ? std::optional(bias) : std::nullopt;
}

struct Linear : torch::autograd::Function<Linear> {
  // x [rows, in]
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    const at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
    if (bias) y.copy_(bias->expand_as(y));
    multiply({x}, {weight, true}, bias.has_value(), y);
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor by_y = grads[0].contiguous();
    at::Tensor by_x, by_bias;
    if (context->needs_input_grad(0)) {
      by_x = at::empty(x.sizes(), x.options());
      multiply({by_y}, {weight}, false, by_x);
    }
    const at::Tensor by_weight = at::empty(weight.sizes(), weight.options());
    multiply({by_y, true}, {x}, false, by_weight);
    if (context->saved_data["bias"].toBool()) by_bias = column_sums_cpu(by_y);
    return {by_x, by_weight, by_bias};
  }
};

}  // namespace

at::Tensor linear_layer_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, if_given(bias));
}

at::Tensor linear_layer(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const bool fits = x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat && x.numel() > 0;
  if (!fits || !has_sgemm()) return linear_layer_reference(x, weight, bias);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return Linear::apply(x.reshape({-1, x.size(-1)}).contiguous(), weight.contiguous(), if_given(bias)).view(shape);
}

}  // namespace clip_hpc
