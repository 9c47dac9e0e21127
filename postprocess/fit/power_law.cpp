#include "postprocess/fit/power_law.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/statistics.hpp"

namespace clip_hpc {
namespace {

constexpr double kHuber = 0.05;  // relative residual
constexpr double kLeastExponent = 0.05, kLargestExponent = 2.0;
// Between the smallest and the largest value of an axis that is fitted: 4, but that runs end on whole steps.
constexpr double kLeastSpan = 3.9;
constexpr double kSame = 1.3;                        // an axis that varies by less counts as fixed
constexpr double kMisfit = 0.1, kMostMisfits = 0.2;  // a law that misses this share of its points by so much is none

struct Axes {  // which terms a set of points can tell apart
  bool samples = false, set = false;
  int terms() const { return (samples ? 1 : 0) + (set ? 1 : 0); }
};

using Row = std::array<double, 3>;  // 1, samples^-alpha, set^-beta

// Least squares with weights and coefficients from 0 on: of all choices of terms that give such, the best.
double solve(std::span<const Row> rows, std::span<const double> y, std::span<const double> weights, Row& best) {
  double least = std::numeric_limits<double>::infinity();
  for (unsigned choice = 1; choice < 8; ++choice) {
    std::array<std::array<double, 4>, 3> m{};  // normal equations, bordered
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (unsigned j = 0; j < 3; ++j) {
        for (unsigned k = 0; k < 3; ++k) m[j][k] += weights[i] * rows[i][j] * rows[i][k];
        m[j][3] += weights[i] * rows[i][j] * y[i];
      }
    }
    for (unsigned j = 0; j < 3; ++j) {
      if ((choice >> j & 1U) != 0) continue;
      for (unsigned k = 0; k < 4; ++k) m[j][k] = 0;
      for (unsigned k = 0; k < 3; ++k) m[k][j] = 0;
      m[j][j] = 1;
    }
    bool singular = false;
    for (unsigned j = 0; j < 3; ++j) {
      if (m[j][j] < 1e-14) singular = true;
      for (unsigned i = 0; i < 3 && !singular; ++i) {
        if (i == j) continue;
        const double factor = m[i][j] / m[j][j];
        for (unsigned k = j; k < 4; ++k) m[i][k] -= factor * m[j][k];
      }
    }
    if (singular) continue;
    Row x{};
    bool negative = false;
    for (unsigned j = 0; j < 3; ++j) {
      x[j] = m[j][3] / m[j][j];
      negative = negative || x[j] < 0;
    }
    if (negative) continue;
    double cost = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double r = x[0] * rows[i][0] + x[1] * rows[i][1] + x[2] * rows[i][2] - y[i];
      cost += weights[i] * r * r;
    }
    if (cost < least) {
      least = cost;
      best = x;
    }
  }
  return least;
}

double huber(double r) {
  const double size = std::abs(r);
  return size <= kHuber ? 0.5 * r * r : kHuber * (size - 0.5 * kHuber);
}

struct Candidate {
  PowerLaw law;
  double cost = std::numeric_limits<double>::infinity();
};

// The coefficients for given exponents, by weights that are mended a few times.
Candidate with_exponents(std::span<const LawPoint> points, const Axes& axes, double alpha, double beta,
                         double samples_0, double set_0) {
  std::vector<Row> rows;
  std::vector<double> y, weights;
  for (const LawPoint& p : points) {
    rows.push_back({1.0, axes.samples ? std::pow(p.samples / samples_0, -alpha) : 0.0,
                    axes.set ? std::pow(p.set / set_0, -beta) : 0.0});
    y.push_back(p.error);
    weights.push_back(1.0 / (p.error * p.error));
  }
  Candidate found;
  Row x{};
  for (int turn = 0; turn < 8; ++turn) {
    if (!std::isfinite(solve(rows, y, weights, x))) return found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double r = (x[0] + x[1] * rows[i][1] + x[2] * rows[i][2]) / y[i] - 1;
      weights[i] = std::min(1.0, kHuber / std::max(std::abs(r), 1e-12)) / (y[i] * y[i]);
    }
  }
  found.law = {x[0], x[1], alpha, samples_0, x[2], beta, set_0};
  found.cost = 0;
  for (const LawPoint& p : points) found.cost += huber(found.law(p.samples, p.set) / p.error - 1);
  return found;
}

double geometric_mean(std::span<const LawPoint> points, double LawPoint::*member) {
  double sum = 0;
  for (const LawPoint& p : points) sum += std::log(p.*member);
  return std::exp(sum / static_cast<double>(points.size()));
}

// A grid of exponents, then finer ones around the best.
PowerLaw fit(std::span<const LawPoint> points, const Axes& axes) {
  const double samples_0 = geometric_mean(points, &LawPoint::samples), set_0 = geometric_mean(points, &LawPoint::set);
  constexpr int kSide = 9;
  double low = std::log(kLeastExponent), high = std::log(kLargestExponent);
  Candidate best;
  double middle_a = 0.5 * (low + high), middle_b = middle_a, half = 0.5 * (high - low);
  for (int turn = 0; turn < 5; ++turn) {
    const double around_a = middle_a, around_b = middle_b;
    for (int i = 0; i < (axes.samples ? kSide : 1); ++i) {
      for (int j = 0; j < (axes.set ? kSide : 1); ++j) {
        const auto at = [&](double around, int k) {
          return std::clamp(around + half * (2.0 * k / (kSide - 1) - 1.0), low, high);
        };
        const double log_a = at(around_a, i), log_b = at(around_b, j);
        const Candidate one = with_exponents(points, axes, std::exp(log_a), std::exp(log_b), samples_0, set_0);
        if (one.cost < best.cost) {
          best = one;
          middle_a = log_a;
          middle_b = log_b;
        }
      }
    }
    half /= 3;
  }
  return best.law;
}

double ratio(std::span<const LawPoint> points, double LawPoint::*member) {
  const auto [least, most] = std::ranges::minmax_element(points, {}, member);
  return (*most).*member / (*least).*member;
}

Axes axes_of(std::span<const LawPoint> points, bool& repeats) {
  repeats = std::ranges::any_of(points, [](const LawPoint& p) { return p.samples > 1.05 * p.set; });
  Axes axes;
  axes.samples = ratio(points, &LawPoint::samples) >= kLeastSpan;
  axes.set = repeats && ratio(points, &LawPoint::set) >= kLeastSpan;
  if (!axes.samples || !axes.set) return axes;
  // Both vary: told apart only if they do not vary together.
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const LawPoint& p : points) {
    least = std::min(least, p.samples / p.set);
    most = std::max(most, p.samples / p.set);
  }
  if (most / least < kLeastSpan) axes.set = false;
  return axes;
}

// Of an axis that varies and has no term: what it does would be laid on the others.
std::string loose_axis(std::span<const LawPoint> points, const Axes& axes, bool repeats) {
  const double samples = ratio(points, &LawPoint::samples), set = ratio(points, &LawPoint::set);
  if (!axes.samples && samples > kSame && repeats) {
    return fmt::format("samples seen vary by a factor of {:.1f}: too little for a curve, too much to ignore", samples);
  }
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const LawPoint& p : points) {
    least = std::min(least, p.samples / p.set);
    most = std::max(most, p.samples / p.set);
  }
  if (repeats && axes.samples && !axes.set && set > kSame && most / least > kSame) {
    return fmt::format("the size of the data varies by a factor of {:.1f}: too little for a curve, too much to ignore",
                       set);
  }
  return "";
}

std::optional<HeldOut> held_out_check(std::span<const LawPoint> points, const Axes& axes) {
  const auto key = axes.set || !axes.samples ? &LawPoint::set : &LawPoint::samples;
  const double most = (*std::ranges::max_element(points, {}, key)).*key;
  std::vector<LawPoint> known, hidden;
  for (const LawPoint& p : points) (p.*key > 0.5 * most ? hidden : known).push_back(p);
  if (known.size() < (axes.terms() == 2 ? 6U : 4U)) return std::nullopt;
  const PowerLaw law = fit(known, axes);
  HeldOut check;
  check.points = hidden.size();
  for (const LawPoint& p : hidden) check.worst = std::max(check.worst, std::abs(law(p.samples, p.set) / p.error - 1));
  return check;
}

}  // namespace

double PowerLaw::operator()(double samples, double set) const {
  double error = floor;
  if (a > 0) error += a * std::pow(samples / samples_0, -alpha);
  if (b > 0) error += b * std::pow(set / set_0, -beta);
  return error;
}

std::optional<LawFit> fit_law(std::span<const LawPoint> points, int redraws, std::uint64_t seed, std::string& why) {
  if (points.size() < 4) {
    why = fmt::format("{} point{}, a curve takes 4", points.size(), points.size() == 1 ? "" : "s");
    return std::nullopt;
  }
  LawFit found;
  const Axes axes = axes_of(points, found.repeats);
  if (axes.terms() == 0) {
    why = fmt::format("neither samples seen nor the size of the data varies by a factor of {:.0f}",
                      std::ceil(kLeastSpan));
    return std::nullopt;
  }
  if (axes.terms() == 2 && points.size() < 6) {
    why = fmt::format("{} points, a curve of samples seen and size of the data takes 6", points.size());
    return std::nullopt;
  }
  const std::string loose = loose_axis(points, axes, found.repeats);
  if (!loose.empty()) {
    why = loose;
    return std::nullopt;
  }
  found.law = fit(points, axes);
  found.points = points.size();
  std::vector<double> residuals;  // measured / predicted
  double squares = 0;
  for (const LawPoint& p : points) {
    residuals.push_back(p.error / found.law(p.samples, p.set));
    squares += std::pow(1 / residuals.back() - 1, 2);
  }
  found.rms = std::sqrt(squares / static_cast<double>(points.size()));
  const auto missed =
      std::ranges::count_if(residuals, [](double residual) { return std::abs(1 / residual - 1) > kMisfit; });
  if (static_cast<double>(missed) >= kMostMisfits * static_cast<double>(points.size())) {
    why = fmt::format("the best law misses {} of its {} points by more than {:.0f} %", missed, points.size(),
                      100 * kMisfit);
    return std::nullopt;
  }
  // A fit is closer to its points than the truth is: residuals are widened by the coefficients that were spent.
  const auto spent = static_cast<double>(1 + 2 * axes.terms());
  const auto n = static_cast<double>(points.size());
  const double widen = std::sqrt(n / std::max(1.0, n - spent));
  std::vector<LawPoint> drawn(points.begin(), points.end());
  for (int i = 0; i < redraws; ++i) {
    RandomStream stream(seed, Purpose::bootstrap, static_cast<std::uint64_t>(i));
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      const double residual = residuals[stream.below(residuals.size())];
      drawn[k].error = found.law(points[k].samples, points[k].set) * std::exp(widen * std::log(residual));
    }
    found.redraws.push_back(fit(drawn, axes));
  }
  found.held_out = held_out_check(points, axes);
  const auto [s0, s1] = std::ranges::minmax_element(points, {}, &LawPoint::samples);
  const auto [d0, d1] = std::ranges::minmax_element(points, {}, &LawPoint::set);
  found.least_samples = s0->samples;
  found.most_samples = s1->samples;
  found.least_set = d0->set;
  found.most_set = d1->set;
  return found;
}

Interval interval_of(const LawFit& fit, double samples, double set) {
  if (fit.redraws.empty()) return {fit.law(samples, set), fit.law(samples, set)};
  std::vector<double> errors;
  for (const PowerLaw& law : fit.redraws) errors.push_back(law(samples, set));
  std::ranges::sort(errors);
  return {nearest_quantile(errors, 0.05), nearest_quantile(errors, 0.95)};
}

}  // namespace clip_hpc
