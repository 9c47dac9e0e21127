#include "clip_hpc/strategy/branch_draw.hpp"

#include "clip_hpc/base/random.hpp"

namespace clip_hpc {

at::Tensor draw_branch_scales(std::uint64_t seed, std::span<const std::uint64_t> rows, std::span<const double> rates) {
  if (rates.empty()) return {};
  at::Tensor scales = at::empty({std::ssize(rows), std::ssize(rates)}, at::kFloat);
  float* next = scales.data_ptr<float>();
  for (const std::uint64_t row : rows) {
    RandomStream stream(seed, Purpose::branch_keep, row);
    for (const double rate : rates) {
      *next++ = stream.uniform(0, 1) < rate ? 0.0F : static_cast<float>(1 / (1 - rate));
    }
  }
  return scales;
}

}  // namespace clip_hpc
