#include "data/image/taps.hpp"

#include <algorithm>
#include <cmath>

namespace clip_hpc {
namespace {

double weight_at(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

}  // namespace

Taps make_taps(int in_size, double in_begin, double in_end, int out_size, OutputRange outputs, Filter filter,
               bool with_exact) {
  const double scale = (in_end - in_begin) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == Filter::bilinear ? 1.0 : 2.0) * filter_scale;
  Taps taps;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  std::vector<double> exact(static_cast<std::size_t>(taps.stride));
  for (int out = outputs.begin; out < outputs.end; ++out) {
    const double center = in_begin + (out + 0.5) * scale;
    const double inverse = 1.0 / filter_scale;
    const int first = std::max(static_cast<int>(std::floor(center - support + 0.5)), 0);
    const int count = std::min(static_cast<int>(std::floor(center + support + 0.5)), in_size) - first;
    double total = 0;
    for (int i = 0; i < count; ++i) {
      exact[static_cast<std::size_t>(i)] = weight_at(filter, (i + first - center + 0.5) * inverse);
      total += exact[static_cast<std::size_t>(i)];
    }
    taps.first.push_back(first);
    taps.count.push_back(count);
    for (int i = 0; i < taps.stride; ++i) {
      double weight = i < count ? exact[static_cast<std::size_t>(i)] : 0.0;
      if (total != 0.0) weight /= total;
      if (with_exact) taps.exact.push_back(weight);
      taps.weights.push_back(static_cast<int>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits)));
    }
  }
  return taps;
}

}  // namespace clip_hpc
