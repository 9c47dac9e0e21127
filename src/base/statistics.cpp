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

double area_under_roc(std::vector<double> high, std::vector<double> low) {
  std::ranges::sort(high);
  std::ranges::sort(low);
  double pairs = 0;  // in which the first is above
  auto below = low.begin(), up_to = low.begin();
  for (const double value : high) {
    while (below != low.end() && *below < value) ++below;
    while (up_to != low.end() && *up_to <= value) ++up_to;
    pairs += 0.5 * static_cast<double>((below - low.begin()) + (up_to - low.begin()));
  }
  return pairs / (static_cast<double>(high.size()) * static_cast<double>(low.size()));
}

}  // namespace clip_hpc
