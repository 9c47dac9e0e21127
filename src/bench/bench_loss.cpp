#include "clip_hpc/bench/bench_loss.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "bench/held_bytes.hpp"
#include "bench/simulated_communicator.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device.hpp"

namespace clip_hpc {
namespace {

// Of `once`: what tensors hold in it, at most.
template <class Once>
double peak_bytes(const at::Device& device, const Once& once) {
  if (device.is_cpu()) {
    const HeldBytes counted;
    once();
    return counted.peak_bytes();
  }
  device_peak(device, true);
  const auto before = static_cast<double>(device_peak(device).allocated_bytes);
  once();
  return static_cast<double>(device_peak(device).allocated_bytes) - before;
}

struct Data {
  at::Tensor image, text, scale, bias;
};

Data make_data(const LossTerm& term, std::int64_t rows, std::int64_t dim, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto unit = [&](double phase) {
    const at::Tensor x = at::arange(rows * dim, options).mul(0.7390851).add(phase).sin().view({rows, dim});
    return (x / x.norm(2, {1}, true)).contiguous().requires_grad_();
  };
  Data data{unit(0.1), unit(0.4), at::full({}, 3.0, options).requires_grad_(), {}};
  if (term.initial) data.bias = at::full({}, term.initial->logit_bias, options).requires_grad_();
  return data;
}

LossRate measure(const LossTerm& term, const Data& data, std::int64_t global, std::int64_t columns, double seconds) {
  const std::int64_t rows = data.image.size(0), ranks = global / rows;
  LossRate rate{.global = global, .rows = rows, .dim = data.image.size(1), .columns = columns};
  SimulatedCommunicator comm(static_cast<int>(ranks), data.text.detach());
  const BatchSplit split{std::vector<std::int64_t>(static_cast<std::size_t>(ranks), rows), 0};
  std::vector<double> forward, backward;
  const at::Device device = data.image.device();
  const auto once = [&] {
    for (const at::Tensor& leaf : {data.image, data.text, data.scale}) leaf.mutable_grad() = at::Tensor();
    synchronize_device(device);
    const Timer timer;
    const at::Tensor loss =
        term.partial(comm, {data.image, data.text, {}}, {data.scale, data.bias}, split, {.columns = columns});
    synchronize_device(device);
    const double half_ms = timer.milliseconds();
    loss.backward();
    synchronize_device(device);
    return std::pair(half_ms, timer.milliseconds() - half_ms);
  };
  once();  // memory is allocated
  const Timer all;
  do {
    const auto [first_ms, second_ms] = once();
    forward.push_back(first_ms);
    backward.push_back(second_ms);
  } while (all.seconds() < seconds);
  for (const at::Tensor& leaf : {data.image, data.text, data.scale}) leaf.mutable_grad() = at::Tensor();
  rate.peak_bytes = peak_bytes(device, once);
  rate.forward_ms = upper_median(forward);
  rate.backward_ms = upper_median(backward);
  return rate;
}

// Products of [rows, dim] and [global, dim]: logits, gradient of the images, gradient of the texts, and, of a softmax
// that did not keep them, the logits once more.
double products_of(const LossTerm& term, bool in_blocks) {
  return term.name == std::string_view("softmax") && in_blocks ? 4 : 3;
}

}  // namespace

std::vector<LossRate> bench_loss(const LossTerm& term, std::int64_t global, std::int64_t rows, std::int64_t dim,
                                 std::int64_t columns, double seconds, double plain_limit_bytes,
                                 const at::Device& device) {
  const Data data = make_data(term, rows, dim, device);
  const double product = static_cast<double>(rows) * static_cast<double>(global) * static_cast<double>(dim);
  std::vector<LossRate> rates;
  at::Tensor plain;
  if (4.0 * static_cast<double>(rows) * static_cast<double>(global) <= plain_limit_bytes) {
    rates.push_back(measure(term, data, global, 0, seconds));
    rates.back().macs = products_of(term, false) * product;
    plain = data.image.grad();
  }
  rates.push_back(measure(term, data, global, columns, seconds));
  rates.back().macs = products_of(term, columns < global) * product;
  if (plain.defined()) {
    rates.back().largest_difference = ((data.image.grad() - plain).abs().max() / plain.abs().max()).item<double>();
  }
  return rates;
}

}  // namespace clip_hpc
