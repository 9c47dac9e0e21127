#include "clip_hpc/base/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace clip_hpc {

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

double upper_median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double quantile(std::span<const double> ascending, double fraction) {
  return ascending[static_cast<std::size_t>(fraction * static_cast<double>(ascending.size() - 1))];
}

double nearest_quantile(std::span<const double> ascending, double fraction) {
  return ascending[static_cast<std::size_t>(std::lround(fraction * static_cast<double>(ascending.size() - 1)))];
}

}  // namespace clip_hpc
