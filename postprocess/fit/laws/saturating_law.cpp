#include "postprocess/fit/laws/saturating_law.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/fit/shape_search.hpp"

namespace clip_hpc {
namespace {

constexpr double kLeastExponent = 0.05, kLargestExponent = 2.0;
constexpr double kSame = 1.3;  // an axis that varies by less counts as fixed

struct Axes {  // which terms a set of points can tell apart
  bool samples = false, set = false;
  int terms() const { return (samples ? 1 : 0) + (set ? 1 : 0); }
};

double samples_of(const LawPoint& p) { return p.samples; }
double set_of(const LawPoint& p) { return p.set; }
double epochs_of(const LawPoint& p) { return p.samples / p.set; }

Axes axes_of(std::span<const LawPoint> points) {
  Axes axes;
  axes.samples = span_of(points, samples_of) >= kLeastSpan;
  axes.set = has_repeats(points) && span_of(points, set_of) >= kLeastSpan;
  // Both vary: told apart only if they do not vary together.
  if (axes.samples && axes.set && span_of(points, epochs_of) < kLeastSpan) axes.set = false;
  return axes;
}

// Of an axis that varies and has no term: what it does would be laid on the others.
std::string loose_axis(std::span<const LawPoint> points, const Axes& axes) {
  if (!has_repeats(points)) return "";
  const double samples = span_of(points, samples_of), set = span_of(points, set_of);
  if (!axes.samples && samples > kSame) {
    return fmt::format("samples seen vary by a factor of {:.1f}: too little for a curve, too much to ignore", samples);
  }
  if (axes.samples && !axes.set && set > kSame && span_of(points, epochs_of) > kSame) {
    return fmt::format("the size of the data varies by a factor of {:.1f}: too little for a curve, too much to ignore",
                       set);
  }
  return "";
}

std::string refusal(std::span<const LawPoint> points) {
  if (points.size() < 4) return too_few(points.size(), 4);
  const Axes axes = axes_of(points);
  if (axes.terms() == 0) {
    return fmt::format("neither samples seen nor the size of the data varies by a factor of {:.0f}",
                       std::ceil(kLeastSpan));
  }
  if (axes.terms() == 2 && points.size() < 6) {
    return too_few(points.size(), 6, "a curve of samples seen and size of the data");
  }
  return loose_axis(points, axes);
}

Law fit(std::span<const LawPoint> points) {
  const Axes axes = axes_of(points);
  const double samples_0 = geometric_mean(points, samples_of), set_0 = geometric_mean(points, set_of);
  const ShapeRange exponents{kLeastExponent, kLargestExponent}, fixed{};
  std::vector<double> errors, log_samples, log_set;
  for (const LawPoint& p : points) {
    errors.push_back(p.error);
    log_samples.push_back(std::log(p.samples / samples_0));
    log_set.push_back(std::log(p.set / set_0));
  }
  const ShapeFit found = search_shapes(errors, axes.samples ? exponents : fixed, axes.set ? exponents : fixed,
                                       [&](std::size_t i, double alpha, double beta) {
                                         return Columns{1.0, axes.samples ? std::exp(-alpha * log_samples[i]) : 0.0,
                                                        axes.set ? std::exp(-beta * log_set[i]) : 0.0};
                                       });
  const auto& [floor, a, b] = found.coefficients;
  return {{floor, a, found.first, samples_0, b, found.second, set_0},
          (floor > 0 ? 1 : 0) + (a > 0 ? 2 : 0) + (b > 0 ? 2 : 0)};
}

double predict(const Law& law, const LawPoint& at) { return saturating_of(law)(at.samples, at.set); }

std::string words(const Law& law) {
  const SaturatingLaw s = saturating_of(law);
  std::string text = fmt::format("{:.3f}", s.floor);
  if (s.a > 0) text += fmt::format(" + {:.3g} (samples / {:.3g})^-{:.2f}", s.a, s.samples_0, s.alpha);
  if (s.b > 0) text += fmt::format(" + {:.3g} (data / {:.3g})^-{:.2f}", s.b, s.set_0, s.beta);
  return text;
}

}  // namespace

double SaturatingLaw::operator()(double samples, double set) const {
  double error = floor;
  if (a > 0) error += a * std::pow(samples / samples_0, -alpha);
  if (b > 0) error += b * std::pow(set / set_0, -beta);
  return error;
}

SaturatingLaw saturating_of(const Law& law) {
  const auto& c = law.coefficients;
  return {c[0], c[1], c[2], c[3], c[4], c[5], c[6]};
}

LawKind saturating_law() {
  return {"saturating",
          "a power of samples seen, one of distinct pairs, and a floor",
          "error = floor + a samples^-alpha + b data^-beta",
          "clip_hpc",
          true,
          true,
          refusal,
          fit,
          predict,
          words,
          all_of};
}

}  // namespace clip_hpc
