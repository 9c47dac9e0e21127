#include "postprocess/fit/laws/repeated_law.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/fit/shape_search.hpp"

namespace clip_hpc {
namespace {

constexpr double kUnit = 1e5;                                   // of x
constexpr double kLeastUtility = 0.005, kLargestUtility = 0.5;  // the range that the authors search
constexpr double kLeastHalfLife = 0.3, kLargestHalfLife = 100;  // epochs
constexpr double kNothing = 1e-9;                               // a utility that has halved to this is none
constexpr std::size_t kFewest = 4, kFewestOfRepeats = 5;

double samples_of(const LawPoint& p) { return p.samples; }
double first_epoch(const LawPoint& p) { return std::min(p.samples, p.set); }

std::string refusal(std::span<const LawPoint> points) {
  if (points.size() < kFewest) return too_few(points.size(), kFewest);
  if (span_of(points, first_epoch) < kLeastSpan && span_of(points, samples_of) < kLeastSpan) {
    return fmt::format("neither samples seen nor the size of the data varies by a factor of {:.0f}",
                       std::ceil(kLeastSpan));
  }
  return has_repeats(points) ? too_few(points.size(), kFewestOfRepeats, "a curve of repeats") : "";
}

// Sum over the epochs from the second on of log(x_i / x_(i-1)) 0.5^(i / tau).
double log_of_repeats(const LawPoint& at, double tau) {
  if (at.samples <= at.set) return 0;
  const double halving = std::exp2(-1 / tau);
  double sum = 0, worth = 1, before = at.set;
  for (double i = 1; before < at.samples; ++i) {
    const double now = std::min(at.set * (i + 1), at.samples);
    worth *= halving;
    if (worth < kNothing) break;
    sum += worth * std::log(now / before);
    before = now;
  }
  return sum;
}

double error_of(double power, double repeats, double d, RepeatedForm form) {
  return form == RepeatedForm::paper ? power * repeats + d : (power + d) * repeats;
}

template <RepeatedForm form>
Law fit(std::span<const LawPoint> points) {
  const double unit = geometric_mean(points, first_epoch);
  const ShapeRange utilities{kLeastUtility, kLargestUtility}, half_lives{kLeastHalfLife, kLargestHalfLife}, fixed{};
  const bool repeats = has_repeats(points);
  std::vector<double> errors, log_first;
  for (const LawPoint& p : points) {
    errors.push_back(p.error);
    log_first.push_back(std::log(first_epoch(p) / unit));
  }
  std::vector<double> log_later(points.size());  // of one half-life at a time
  double of_tau = 0;
  const ShapeFit found =
      search_shapes(errors, repeats ? half_lives : fixed, utilities, [&](std::size_t i, double tau, double b) {
        if (tau != of_tau) {
          for (std::size_t k = 0; k < points.size(); ++k) log_later[k] = log_of_repeats(points[k], tau);
          of_tau = tau;
        }
        const double later = std::exp(-b * log_later[i]), first = std::exp(-b * log_first[i]);
        return Columns{form == RepeatedForm::paper ? 1 : later, first * later, 0};
      });
  const auto& [d, scale, none] = found.coefficients;
  return {{scale, unit, -found.second, found.first, d},
          (d > 0 ? 1 : 0) + (scale > 0 ? 2 : 0) + (scale > 0 && repeats ? 1 : 0)};
}

template <RepeatedForm form>
double predict(const Law& law, const LawPoint& at) {
  const auto& c = law.coefficients;
  return error_of(c[0] * std::pow(first_epoch(at) / c[1], c[2]), std::exp(c[2] * log_of_repeats(at, c[3])), c[4], form);
}

std::string words(const Law& law) {
  const auto& c = law.coefficients;  // scale (n / unit)^b = (a n / 1e5)^b
  return fmt::format("a {:.3g}, b {:.3f}, tau {:.1f}, d {:.3f}", kUnit / c[1] * std::pow(c[0], 1 / c[2]), c[2], c[3],
                     c[4]);
}

}  // namespace

double repeated_error(const Mixture& mixture, double samples, RepeatedForm form) {
  const auto count = static_cast<double>(mixture.pools.size());
  const double all = count * mixture.pool_samples;
  const auto utility = [&](double i) {
    double sum = 0;
    for (const Pool& pool : mixture.pools) sum += pool.b * std::exp2(-i / (count * pool.tau));
    return sum / count;
  };
  const auto x = [&](double i) { return mixture.a * std::min(all * (i + 1), samples) / kUnit; };
  double repeats = 1;
  for (double i = 1; i <= std::floor(samples / all); ++i) repeats *= std::pow(x(i) / x(i - 1), utility(i));
  return error_of(std::pow(x(0), utility(0)), repeats, mixture.d, form);
}

LawKind repeated_law() {
  constexpr auto form = RepeatedForm::paper;
  return {"repeated",
          "repeated samples are worth less each time, the paper's form",
          "error = x_0^b prod (x_i / x_(i-1))^(b 0.5^(i/tau)) + d, x_i = a min(P (i+1), n) / 1e5",
          "Goyal et al. 2024, arXiv 2404.07177",
          true,
          true,
          refusal,
          fit<form>,
          predict<form>,
          words,
          all_of};
}

LawKind repeated_code_law() {
  constexpr auto form = RepeatedForm::released_code;
  return {"repeated_code",
          "the same in the form of the released code",
          "error = (x_0^b + d) prod (x_i / x_(i-1))^(b 0.5^(i/tau))",
          "github.com/locuslab/scaling_laws_data_filtering",
          true,
          false,
          refusal,
          fit<form>,
          predict<form>,
          words,
          all_of};
}

}  // namespace clip_hpc
