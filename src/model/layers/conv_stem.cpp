#include "model/layers/conv_stem.hpp"

#include <fmt/format.h>

#include "clip_hpc/ops/conv.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kKernel = 3;

}  // namespace

at::Tensor ConvStem::operator()(const ParameterArena& arena, const at::Tensor& pixels) const {
  at::Tensor x = pixels.permute({0, 2, 3, 1});  // [batch, side, side, channels]
  for (const Step& step : steps) {
    x = conv_channels_last(x, arena.parameter(step.conv.weight), arena.parameter(*step.conv.bias),
                           {.stride = 2, .padding = kKernel / 2});
    x = at::gelu(step.norm(arena, x));
  }
  return x.permute({0, 3, 1, 2});
}

ConvStem declare_conv_stem(ParameterArena& arena, const std::string& name, const std::vector<std::int64_t>& channels) {
  ConvStem stem;
  std::int64_t in = 3;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const std::string of = fmt::format("{}.{}.", name, i);
    const Affine conv =
        declare_affine(arena, of + "conv", {channels[i], in, kKernel, kKernel}, kaiming_normal(in * kKernel * kKernel));
    stem.steps.push_back({conv, declare_layer_norm(arena, of + "norm", channels[i])});
    in = channels[i];
  }
  return stem;
}

double conv_stem_macs(const std::vector<std::int64_t>& channels, std::int64_t size) {
  std::int64_t macs = 0, in = 3, side = size;
  for (const std::int64_t out : channels) {
    side = (side + 1) / 2;
    macs += side * side * kKernel * kKernel * in * out;
    in = out;
  }
  return static_cast<double>(macs);
}

}  // namespace clip_hpc
