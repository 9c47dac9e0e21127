#include "clip_hpc/bench/bench_loss.hpp"

#include <ATen/ATen.h>
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/loss/softmax_rows.hpp"

namespace clip_hpc {
namespace {

double status_bytes(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    double kib = 0;
    if (word == field && file >> kib) return kib * 1024.0;
  }
  return 0;
}

// High-water mark of what is in use, from here on: the kernel's of the resident set, or the GPU's allocator's.
double restart_peak(const at::Device& device) {
  if (!device.is_cpu()) {
    device_peak(device, true);
    return static_cast<double>(device_peak(device).allocated_bytes);
  }
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("VmRSS:");
}

double peak_now(const at::Device& device) {
  return device.is_cpu() ? status_bytes("VmHWM:") : static_cast<double>(device_peak(device).allocated_bytes);
}

struct Data {
  at::Tensor queries, keys, scale;
};

Data make_data(std::int64_t global, std::int64_t rows, std::int64_t dim, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto unit = [&](std::int64_t n, double phase) {
    const at::Tensor x = at::arange(n * dim, options).mul(0.7390851).add(phase).sin().view({n, dim});
    return (x / x.norm(2, {1}, true)).contiguous().requires_grad_();
  };
  return {unit(rows, 0.1), unit(global, 0.4), at::full({}, 20.0, options).requires_grad_()};
}

LossRate measure(const Data& data, std::int64_t columns, double seconds) {
  LossRate rate{.global = data.keys.size(0), .rows = data.queries.size(0), .dim = data.queries.size(1)};
  rate.columns = columns;
  std::vector<double> forward, backward;
  const at::Device device = data.keys.device();
  const double before = restart_peak(device);
  const Timer all;
  for (int round = 0; round < 2 || all.seconds() < seconds; ++round) {
    for (const at::Tensor& leaf : {data.queries, data.keys, data.scale}) leaf.mutable_grad() = at::Tensor();
    synchronize_device(device);
    const Timer timer;
    const at::Tensor loss = softmax_loss_sum(data.queries, data.keys, data.scale, {0}, columns);
    synchronize_device(device);
    const double half_ms = timer.milliseconds();
    loss.backward();
    synchronize_device(device);
    if (round == 0) continue;  // memory is allocated
    forward.push_back(half_ms);
    backward.push_back(timer.milliseconds() - half_ms);
  }
  rate.peak_bytes = std::max(0.0, peak_now(device) - before);
  rate.forward_ms = upper_median(forward);
  rate.backward_ms = upper_median(backward);
  return rate;
}

}  // namespace

std::vector<LossRate> bench_loss(std::int64_t global, std::int64_t rows, std::int64_t dim, std::int64_t columns,
                                 double seconds, double plain_limit_bytes, const at::Device& device) {
  const Data data = make_data(global, rows, dim, device);
  std::vector<LossRate> rates;
  at::Tensor plain;
  if (4.0 * static_cast<double>(rows) * static_cast<double>(global) <= plain_limit_bytes) {
    rates.push_back(measure(data, 0, seconds));
    plain = data.keys.grad();
  }
  rates.push_back(measure(data, columns, seconds));
  if (plain.defined()) {
    rates.back().largest_difference = ((data.keys.grad() - plain).abs().max() / plain.abs().max()).item<double>();
  }
  return rates;
}

}  // namespace clip_hpc
