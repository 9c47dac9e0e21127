#include "clip_hpc/ops/group_norm.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include "ops/channel_sums_cpu.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [rows, channels] fp64 -> [rows, groups, 1]: the sum over the channels of a group.
at::Tensor of_groups(const at::Tensor& x, std::int64_t groups) {
  return x.unflatten(1, {groups, -1}).sum(2, /*keepdim=*/true);
}
// [rows, groups, 1] times or plus [channels] -> [rows, channels]
at::Tensor by_group(const at::Tensor& channels, std::int64_t groups) { return channels.unflatten(0, {groups, -1}); }
at::Tensor lines(const at::Tensor& x) { return x.flatten(1).to(at::kFloat).contiguous(); }

// y = x * scale + shift, where scale = gamma / deviation and shift = beta - mean * scale.
struct GroupNorm : torch::autograd::Function<GroupNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, std::int64_t groups, double eps, bool relu) {
    const double count = static_cast<double>(x.numel()) / static_cast<double>(x.size(0) * groups);
    const at::Tensor sums = channel_sums_cpu(x);  // [2, rows, channels]
    const at::Tensor mean = of_groups(sums[0], groups) / count;
    const at::Tensor variance = (of_groups(sums[1], groups) / count - mean.square()).clamp_min(0);
    const at::Tensor inverse = (variance + eps).rsqrt();  // [rows, groups, 1], as mean
    const at::Tensor factors = inverse * by_group(gamma.to(at::kDouble), groups);
    const at::Tensor scale = lines(factors), shift = lines(by_group(beta.to(at::kDouble), groups) - mean * factors);
    context->save_for_backward({x, gamma, mean, inverse, scale, shift});
    context->saved_data["groups"] = groups;
    context->saved_data["relu"] = relu;
    return channel_scaled_cpu(x, scale, shift, relu);
  }

  // With h the normalised input and g the gradient times gamma: x gets (g - mean(g) - h * mean(g h)) / deviation.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &mean = saved[2], &inverse = saved[3];
    const std::int64_t groups = context->saved_data["groups"].toInt();
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor grad = gradients[0].contiguous(), exact_gamma = gamma.to(at::kDouble);
    const at::Tensor sums = channel_products_cpu(grad, x, saved[4], saved[5], relu);
    const double count = static_cast<double>(x.numel()) / static_cast<double>(x.size(0) * groups);
    const at::Tensor mean_g = of_groups(sums[0] * exact_gamma, groups) / count;
    const at::Tensor mean_gx = of_groups(sums[1] * exact_gamma, groups) / count;
    const at::Tensor by_x = (mean * mean_g - mean_gx) * inverse.pow(3);  // [rows, groups, 1]
    const at::Tensor rest = -by_x * mean - mean_g * inverse;
    const auto spread = [&](const at::Tensor& of_group) {
      return lines(of_group.expand({-1, -1, x.size(-1) / groups}));
    };
    const at::Tensor of_x =
        channel_gradient_cpu(grad, x, saved[4], saved[5], relu, saved[4], spread(by_x), spread(rest));
    const at::Tensor of_gamma =
        ((sums[1].unflatten(1, {groups, -1}) - mean * sums[0].unflatten(1, {groups, -1})) * inverse).flatten(1).sum(0);
    return {of_x,
            of_gamma.to(gamma.scalar_type()),
            sums[0].sum(0).to(gamma.scalar_type()),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor group_norm_reference(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                std::int64_t groups, double eps, bool relu) {
  const at::Tensor planes = x.permute({0, 3, 1, 2});  // in the memory of x
  const at::Tensor y = at::group_norm(planes, groups, gamma, beta, eps).permute({0, 2, 3, 1}).contiguous();
  return relu ? y.relu() : y;
}

at::Tensor group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, std::int64_t groups,
                      double eps, bool relu) {
  const at::ScalarType type = x.scalar_type();
  const bool ours = x.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && gamma.scalar_type() == type;
  if (!ours || x.numel() == 0) return group_norm_reference(x, gamma, beta, groups, eps, relu);
  return GroupNorm::apply(x.contiguous(), gamma, beta, groups, eps, relu);
}

}  // namespace clip_hpc
