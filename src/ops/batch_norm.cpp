#include "clip_hpc/ops/batch_norm.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType exact_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// [places, channels] in the exact type
at::Tensor flat(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).to(exact_type(x)); }

// Each rank's number, mean and sum of squares about it; put together without a difference of large numbers.
BatchMoments moments_of(const at::Tensor& x, Communicator* ranks) {
  const at::Tensor places = flat(x);
  const std::int64_t channels = places.size(1), count = places.size(0);
  at::Tensor own = at::zeros({2 * channels + 1}, places.options());
  own[2 * channels].fill_(static_cast<double>(count));
  if (count > 0) {
    own.narrow(0, 0, channels).copy_(places.mean(0));
    own.narrow(0, channels, channels).copy_(places.var(at::IntArrayRef{0}, false) * static_cast<double>(count));
  }
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
                            const at::Tensor& count, double eps, Communicator* ranks) {
    const at::Tensor inverse = (variance + eps).rsqrt();
    context->save_for_backward({x, gamma, mean, inverse, count});
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);  // an IValue holds no pointer
    const at::Tensor scale = inverse * gamma.to(inverse.scalar_type());
    const at::Tensor shift = beta.to(inverse.scalar_type()) - mean * scale;
    return at::addcmul(shift, x.to(inverse.scalar_type()), scale).to(x.scalar_type());
  }

  // With g the gradient and h the normalised input: x gets scale * (g - mean(g) - h * mean(g h)), means over all ranks;
  // gamma and beta get this rank's part.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &mean = saved[2], &inverse = saved[3], &count = saved[4];
    auto* const ranks = reinterpret_cast<Communicator*>(context->saved_data["ranks"].toInt());
    const at::Tensor g = flat(gradients[0]), h = (flat(x) - mean) * inverse;
    const at::Tensor own = at::stack({g.sum(0), (g * h).sum(0)});  // [2, channels]
    at::Tensor all = own;
    if (ranks != nullptr && ranks->size() > 1) {
      all = own.clone();
      ranks->all_reduce(all, ReduceOp::sum);
    }
    const at::Tensor means = all / count;
    const at::Tensor of_x = (g - means[0] - h * means[1]) * (inverse * gamma.to(inverse.scalar_type()));
    return {of_x.to(x.scalar_type()).view(x.sizes()),
            own[1].to(gamma.scalar_type()),
            own[0].to(gamma.scalar_type()),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor batch_norm_of_ranks(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps,
                               Communicator* ranks, BatchMoments& moments) {
  {
    const at::NoGradGuard no_grad;
    moments = moments_of(x, ranks);
  }
  return BatchNorm::apply(x, gamma, beta, moments.mean, moments.variance, moments.count, eps, ranks);
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
