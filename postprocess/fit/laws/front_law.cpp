#include "postprocess/fit/laws/front_law.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "postprocess/fit/shape_search.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kFewest = 5;  // four coefficients and one point to check them by
constexpr double kLeastExponent = 0.05, kLargestExponent = 2.0;
constexpr double kLeastShift = 1e-3, kLargestShift = 10;  // b, in units of the cheapest point of the front

double compute_of(const LawPoint& p) { return p.compute(); }

std::string refusal(std::span<const LawPoint> points) {
  const std::vector<LawPoint> front = pareto_front(points);
  if (front.size() < kFewest) return too_few(front.size(), kFewest, "the front of compute");
  if (span_of(front, compute_of) < kLeastSpan) {
    return fmt::format("compute on the front varies by less than a factor of {:.0f}", std::ceil(kLeastSpan));
  }
  return "";
}

Law fit(std::span<const LawPoint> points) {
  const std::vector<LawPoint> front = pareto_front(points);
  const double unit = front.front().compute();
  std::vector<double> errors;
  for (const LawPoint& p : front) errors.push_back(p.error);
  const ShapeFit found = search_shapes(errors, {kLeastExponent, kLargestExponent}, {kLeastShift, kLargestShift},
                                       [&](std::size_t i, double exponent, double shift) {
                                         return Columns{1.0, std::pow(front[i].compute() / unit + shift, -exponent), 0};
                                       });
  const auto& [d, a, none] = found.coefficients;
  return {{a, found.second * unit, found.first, d, unit},
          (d > 0 ? 1 : 0) + (a > 0 ? 2 : 0) + (found.second > 1.01 * kLeastShift ? 1 : 0)};
}

double predict(const Law& law, const LawPoint& at) {
  const auto& c = law.coefficients;
  return c[0] * std::pow((at.compute() + c[1]) / c[4], -c[2]) + c[3];
}

std::string words(const Law& law) {
  const auto& c = law.coefficients;
  return fmt::format("{:.3g} ((C + {:.2g}) / {:.3g})^-{:.2f} + {:.3f}", c[0], c[1], c[4], c[2], c[3]);
}

}  // namespace

std::vector<LawPoint> pareto_front(std::span<const LawPoint> points) {
  std::vector<LawPoint> order(points.begin(), points.end()), front;
  std::ranges::stable_sort(order, {}, [](const LawPoint& p) { return std::pair{p.compute(), p.error}; });
  double best = std::numeric_limits<double>::infinity();
  for (const LawPoint& p : order) {
    if (p.error >= best) continue;
    best = p.error;
    front.push_back(p);
  }
  return front;
}

LawKind front_law() {
  return {"front",
          "the Pareto front of compute",
          "error = a (C + b)^-c + d",
          "openMaMMUT, arXiv 2506.04598",
          false,
          true,
          refusal,
          fit,
          predict,
          words,
          pareto_front};
}

}  // namespace clip_hpc
