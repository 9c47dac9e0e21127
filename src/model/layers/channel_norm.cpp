#include "clip_hpc/model/layers/channel_norm.hpp"

#include "clip_hpc/ops/batch_norm.hpp"

namespace clip_hpc {
namespace {

constexpr double kMomentum = 0.1;  // torch's: what a batch adds to the running statistics

// x [batch, ..., channels]: statistics over all places of a row and the channels of a group.
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, std::int64_t groups,
                      double eps) {
  const at::ScalarType exact = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::int64_t rows = x.size(0), channels = x.size(-1);
  const at::Tensor parts = x.reshape({rows, -1, groups, channels / groups}).to(exact);  // [rows, places, groups, each]
  const auto [variance, mean] = at::var_mean(parts, {1, 3}, /*unbiased=*/false, /*keepdim=*/true);
  const at::Tensor normed = ((parts - mean) * (variance + eps).rsqrt()).view(x.sizes());
  return at::addcmul(beta.to(exact), normed, gamma.to(exact)).to(x.scalar_type());
}

}  // namespace

at::Tensor ChannelNorm::operator()(const ParameterArena& arena, const at::Tensor& x, const Pass& pass) const {
  const at::Tensor gamma = arena.parameter(weight), beta = arena.parameter(bias);
  if (kind == NormKind::group) return group_norm(x, gamma, beta, groups, eps);
  const at::Tensor mean = arena.buffer(running_mean), variance = arena.buffer(running_var);
  if (!pass.training) return batch_norm_frozen(x, gamma, beta, mean, variance, eps);
  BatchMoments moments;
  const at::Tensor out = batch_norm_of_ranks(x, gamma, beta, eps, pass.statistics, moments);
  update_running(mean, variance, moments, kMomentum);
  return out;
}

ChannelNorm declare_channel_norm(ParameterArena& arena, const std::string& name, std::int64_t channels, NormKind kind,
                                 double eps, double first) {
  ChannelNorm norm{.kind = kind, .eps = eps};
  norm.weight = arena.declare(name + ".weight", {channels}, {.decay = false, .initial = constant(first)});
  norm.bias = arena.declare(name + ".bias", {channels}, {.decay = false, .initial = zeros()});
  if (kind == NormKind::batch) {
    norm.running_mean = arena.declare_buffer(name + ".running_mean", {channels}, 0);
    norm.running_var = arena.declare_buffer(name + ".running_var", {channels}, 1);
  }
  return norm;
}

}  // namespace clip_hpc
