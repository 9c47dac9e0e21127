#include "clip_hpc/ops/batch_norm.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "ops/channel_sums_cpu.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType exact_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// [places, channels] in the exact type
at::Tensor flat(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).to(exact_type(x)); }

// Whether the kernels of ops/channel_sums_cpu.hpp take it.
bool has_kernels(const at::Tensor& x, const at::Tensor& gamma) {
  const at::ScalarType type = x.scalar_type();
  return x.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && gamma.scalar_type() == type && x.numel() > 0;
}

// [channels] -> [rows, channels] fp32
at::Tensor lines_of(const at::Tensor& line, const at::Tensor& x) {
  return line.to(at::kFloat).expand({x.size(0), -1}).contiguous();
}

// This rank's number, mean, and sum of squares about it: [2 * channels + 1] in the exact type.
at::Tensor own_moments(const at::Tensor& x, bool by_kernels) {
  const std::int64_t channels = x.size(-1), count = x.numel() / channels;
  at::Tensor own = at::zeros({2 * channels + 1}, x.options().dtype(exact_type(x)));
  own[2 * channels].fill_(static_cast<double>(count));
  if (count == 0) return own;
  const auto n = static_cast<double>(count);
  if (by_kernels) {
    const at::Tensor sums = channel_sums_cpu(x).sum(1);  // [2, channels] fp64
    const at::Tensor mean = sums[0] / n;
    own.narrow(0, 0, channels).copy_(mean);
    own.narrow(0, channels, channels).copy_((sums[1] - mean.square() * n).clamp_min(0));
    return own;
  }
  const at::Tensor places = flat(x);
  own.narrow(0, 0, channels).copy_(places.mean(0));
  own.narrow(0, channels, channels).copy_(places.var(at::IntArrayRef{0}, false) * n);
  return own;
}

// Each rank's number, mean and sum of squares about it; put together without a difference of large numbers.
BatchMoments moments_of(const at::Tensor& x, bool by_kernels, Communicator* ranks) {
  const std::int64_t channels = x.size(-1);
  const at::Tensor own = own_moments(x, by_kernels);
  at::Tensor all = own.unsqueeze(0);
  if (ranks != nullptr && ranks->size() > 1) {
    all = at::empty({ranks->size(), own.numel()}, own.options());
    ranks->all_gather(all, own);
  }
  const at::Tensor counts = all.narrow(1, 2 * channels, 1), means = all.narrow(1, 0, channels);
  const at::Tensor total = counts.sum();
  const at::Tensor mean = (counts * means).sum(0) / total;
  const at::Tensor about = all.narrow(1, channels, channels) + counts * (means - mean).square();
  return {mean, about.sum(0) / total, total};
}

struct BatchNorm : torch::autograd::Function<BatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, const at::Tensor& mean, const at::Tensor& variance,
                            const at::Tensor& count, double eps, Communicator* ranks, bool by_kernels, bool relu) {
    const at::Tensor inverse = (variance + eps).rsqrt();
    const at::Tensor scale = inverse * gamma.to(inverse.scalar_type());
    const at::Tensor shift = beta.to(inverse.scalar_type()) - mean * scale;
    context->save_for_backward({x, gamma, mean, inverse, count, scale, shift});
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);  // an IValue holds no pointer
    context->saved_data["by_kernels"] = by_kernels;
    context->saved_data["relu"] = relu;
    if (by_kernels) return channel_scaled_cpu(x, lines_of(scale, x), lines_of(shift, x), relu);
    return at::addcmul(shift, x.to(inverse.scalar_type()), scale).to(x.scalar_type());
  }

  // With g the gradient and h the normalised input: x gets scale * (g - mean(g) - h * mean(g h)), means over all ranks;
  // gamma and beta get this rank's part.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &mean = saved[2], &inverse = saved[3], &count = saved[4];
    auto* const ranks = reinterpret_cast<Communicator*>(context->saved_data["ranks"].toInt());
    const bool by_kernels = context->saved_data["by_kernels"].toBool(), relu = context->saved_data["relu"].toBool();
    const at::Tensor grad = gradients[0].contiguous();
    at::Tensor own;  // [2, channels]: sums of g and of g h
    if (by_kernels) {
      const at::Tensor sums =
          channel_products_cpu(grad, x, lines_of(saved[5], x), lines_of(saved[6], x), relu).sum(1);  // fp64
      own = at::stack({sums[0], (sums[1] - mean * sums[0]) * inverse}).to(inverse.scalar_type());
    } else {
      const at::Tensor g = flat(grad);
      own = at::stack({g.sum(0), (g * (flat(x) - mean) * inverse).sum(0)});
    }
    at::Tensor all = own;
    if (ranks != nullptr && ranks->size() > 1) {
      all = own.clone();
      ranks->all_reduce(all, ReduceOp::sum);
    }
    const at::Tensor means = all / count, &scale = saved[5];
    at::Tensor of_x;
    if (by_kernels) {
      const at::Tensor by_x = -means[1] * inverse * scale, rest = (mean * inverse * means[1] - means[0]) * scale;
      of_x = channel_gradient_cpu(grad, x, lines_of(scale, x), lines_of(saved[6], x), relu, lines_of(scale, x),
                                  lines_of(by_x, x), lines_of(rest, x));
    } else {
      of_x =
          ((flat(grad) - means[0] - (flat(x) - mean) * inverse * means[1]) * scale).to(x.scalar_type()).view(x.sizes());
    }
    variable_list result{of_x, own[1].to(gamma.scalar_type()), own[0].to(gamma.scalar_type())};
    result.resize(10);
    return result;
  }
};

}  // namespace

at::Tensor batch_norm_of_ranks(const at::Tensor& given, const at::Tensor& gamma, const at::Tensor& beta, double eps,
                               Communicator* ranks, BatchMoments& moments, bool relu) {
  const bool by_kernels = has_kernels(given, gamma);
  const at::Tensor x = by_kernels && given.dim() == 2 ? given.contiguous().unsqueeze(0) : given.contiguous();
  {
    const at::NoGradGuard no_grad;
    moments = moments_of(x, by_kernels, ranks);
  }
  const at::Tensor y =
      BatchNorm::apply(x, gamma, beta, moments.mean, moments.variance, moments.count, eps, ranks, by_kernels, relu);
  return relu && !by_kernels ? y.relu() : y.view(given.sizes());
}

at::Tensor batch_norm_frozen(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                             const at::Tensor& mean, const at::Tensor& variance, double eps) {
  const at::ScalarType exact = exact_type(x);
  const at::Tensor scale = (variance.to(exact) + eps).rsqrt() * gamma.to(exact);
  const at::Tensor shift = beta.to(exact) - mean.to(exact) * scale;
  return at::addcmul(shift, x.to(exact), scale).to(x.scalar_type());
}

void update_running(const at::Tensor& mean, const at::Tensor& variance, const BatchMoments& moments, double momentum) {
  const at::NoGradGuard no_grad;
  const at::Tensor unbiased = moments.variance * (moments.count / (moments.count - 1).clamp_min(1));
  const auto move = [momentum](const at::Tensor& running, const at::Tensor& batch) {
    const at::Tensor now = batch.to(running.scalar_type());
    // A step that overflows is skipped; its statistics would stay for good.
    running.lerp_(at::where(now.isfinite(), now, running), momentum);
  };
  move(mean, moments.mean);
  move(variance, unbiased);
}

}  // namespace clip_hpc
