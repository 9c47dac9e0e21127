#include "clip_hpc/model/layers/channel_norm.hpp"

#include "clip_hpc/ops/batch_norm.hpp"
#include "clip_hpc/ops/group_norm.hpp"

namespace clip_hpc {
namespace {

constexpr double kMomentum = 0.1;  // torch's: what a batch adds to the running statistics

}  // namespace

at::Tensor ChannelNorm::operator()(const ParameterArena& arena, const at::Tensor& x, const Pass& pass,
                                   bool relu) const {
  const at::Tensor gamma = arena.parameter(weight), beta = arena.parameter(bias);
  if (kind == NormKind::group) return group_norm(x, gamma, beta, groups, eps, relu);
  const at::Tensor mean = arena.buffer(running_mean), variance = arena.buffer(running_var);
  if (!pass.training) {
    const at::Tensor out = batch_norm_frozen(x, gamma, beta, mean, variance, eps);
    return relu ? out.relu() : out;
  }
  BatchMoments moments;
  const at::Tensor out = batch_norm_of_ranks(x, gamma, beta, eps, pass.statistics, moments, relu);
  if (pass.moves_statistics) update_running(mean, variance, moments, kMomentum);
  return out;
}

ChannelNorm declare_channel_norm(ParameterArena& arena, const std::string& name, std::int64_t channels, NormKind kind,
                                 double eps, double first, bool exported) {
  ChannelNorm norm{.kind = kind, .eps = eps};
  norm.weight =
      arena.declare(name + ".weight", {channels}, {.decay = false, .initial = constant(first), .exported = exported});
  norm.bias = arena.declare(name + ".bias", {channels}, {.decay = false, .initial = zeros(), .exported = exported});
  if (kind == NormKind::batch) {
    norm.running_mean = arena.declare_buffer(name + ".running_mean", {channels}, 0, exported);
    norm.running_var = arena.declare_buffer(name + ".running_var", {channels}, 1, exported);
  }
  return norm;
}

}  // namespace clip_hpc
