#include "clip_hpc/bench/bench_conv.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/ops/conv.hpp"

namespace clip_hpc {
namespace {

using Forward = std::function<at::Tensor(const at::Tensor& x)>;

struct Case {
  ConvRate rate;
  at::Tensor x;
  Forward forward;
  std::vector<double> forward_ms = {}, backward_ms = {};
};

void run_once(Case& one, const std::vector<at::Tensor>& weights, const at::Tensor& pull) {
  const at::Device device = one.x.device();
  one.x.mutable_grad() = at::Tensor();
  for (const at::Tensor& leaf : weights) leaf.mutable_grad() = at::Tensor();
  synchronize_device(device);
  const Timer timer;
  const at::Tensor y = one.forward(one.x);
  synchronize_device(device);
  one.forward_ms.push_back(timer.milliseconds());
  y.backward(pull.view_as(y));
  synchronize_device(device);
  one.backward_ms.push_back(timer.milliseconds() - one.forward_ms.back());
}

}  // namespace

std::vector<ConvRate> bench_conv(std::int64_t batch, std::int64_t side, std::int64_t channels, std::int64_t kernel,
                                 at::ScalarType type, double seconds, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(type).device(device);
  const ConvShape shape{.padding = kernel / 2, .groups = channels};
  const at::Tensor weight = at::randn({channels, 1, kernel, kernel}, options).requires_grad_();
  const at::Tensor bias = at::randn({channels}, options).requires_grad_();
  const at::Tensor images = at::randn({batch, side, side, channels}, options), pull = at::randn_like(images);
  std::vector<Case> cases(3);
  cases[0] = {{"ours"}, images.clone().requires_grad_(), [&](const at::Tensor& x) {
                return conv_channels_last(x, weight, bias, shape);
              }};
  cases[1] = {{"channels last"}, images.clone().requires_grad_(), [&](const at::Tensor& x) {
                return conv_reference(x, weight, bias, shape);
              }};
  cases[2] = {{"planes"}, images.permute({0, 3, 1, 2}).contiguous().requires_grad_(), [&](const at::Tensor& x) {
                return at::conv2d(x, weight, bias, 1, kernel / 2, 1, channels);
              }};
  // In turns, so that a machine that warms up or slows down favours nobody; the first turn is not measured.
  for (Case& one : cases) run_once(one, {weight, bias}, pull);
  for (Case& one : cases) one.forward_ms.clear(), one.backward_ms.clear();
  const Timer all;
  do {
    for (Case& one : cases) run_once(one, {weight, bias}, pull);
  } while (all.seconds() < seconds);
  std::vector<ConvRate> rates;
  for (Case& one : cases) {
    one.rate.forward_ms = median(one.forward_ms);
    one.rate.backward_ms = median(one.backward_ms);
    rates.push_back(one.rate);
  }
  return rates;
}

}  // namespace clip_hpc
