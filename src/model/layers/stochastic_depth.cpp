#include "clip_hpc/model/layers/stochastic_depth.hpp"

#include <algorithm>

namespace clip_hpc {

std::vector<double> rising_rates(double deepest, std::int64_t blocks, std::int64_t branches) {
  std::vector<double> rates;
  if (deepest == 0) return rates;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const double rate = deepest * static_cast<double>(i) / static_cast<double>(std::max<std::int64_t>(1, blocks - 1));
    rates.insert(rates.end(), static_cast<std::size_t>(branches), rate);
  }
  return rates;
}

at::Tensor scaled_branch(const Pass& pass, std::int64_t branch, const at::Tensor& delta) {
  if (!pass.branch_scales.defined()) return delta;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(delta.dim()), 1);
  shape[0] = delta.size(0);
  return delta * pass.branch_scales.select(1, branch).to(delta.scalar_type()).view(shape);
}

}  // namespace clip_hpc
