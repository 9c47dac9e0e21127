#include "postprocess/fit/law_fit.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/statistics.hpp"

namespace clip_hpc {
namespace {

constexpr double kMisfit = 0.1, kMostMisfits = 0.2;  // a law that misses this share of its points by so much is none
constexpr double kLeastNoise = 0.005;                // what seeds alone change: 0.2 points of an error of 40 %
constexpr double kLargestScale = 10;                 // of a redrawn scale, in units of the estimated one

double predicted(const LawKind& kind, const Law& law, const LawPoint& at) { return kind.predict(law, at); }

// Gamma(k / 2) by Marsaglia and Tsang would be exact for any k; degrees of freedom are few and whole.
double chi_squared(RandomStream& stream, double freedom) {
  double sum = 0;
  for (int i = 0; i < static_cast<int>(std::lround(freedom)); ++i) {
    const double z = stream.normal();
    sum += z * z;
  }
  return sum;
}

double set_of(const LawPoint& p) { return p.set; }
double compute_of(const LawPoint& p) { return p.compute(); }

using Value = double (*)(const LawPoint&);

// By this axis, the points of the largest octave, predicted from the others.
void hold_out(const LawKind& kind, std::span<const LawPoint> points, Value value, HeldOut& check, double& sum) {
  const double most = value(*std::ranges::max_element(points, {}, value));
  std::vector<LawPoint> known, hidden;
  for (const LawPoint& p : points) (value(p) > 0.5 * most ? hidden : known).push_back(p);
  if (known.empty() || !kind.refusal(known).empty()) return;
  if (has_repeats(hidden) && !has_repeats(known)) return;  // nothing could tell what repeats do
  const Law law = kind.fit(known);
  for (const LawPoint& p : hidden) {
    const double miss = std::abs(predicted(kind, law, p) / p.error - 1);
    check.points += 1;
    check.worst = std::max(check.worst, miss);
    sum += miss;
  }
}

}  // namespace

double LawFit::operator()(double samples, double set) const { return predicted(*kind, law, {samples, set, 0, gmacs}); }

double LawFit::squares() const {
  double sum = 0;
  for (const LawPoint& p : points) sum += std::pow(std::log(p.error / predicted(*kind, law, p)), 2);
  return sum;
}

std::optional<HeldOut> held_out_check(const LawKind& kind, std::span<const LawPoint> points) {
  if (points.empty()) return std::nullopt;
  HeldOut check;
  double sum = 0;
  // Of one tower compute is samples seen.
  if (span_of(points, compute_of) >= kLeastSpan) hold_out(kind, points, compute_of, check, sum);
  if (span_of(points, set_of) >= kLeastSpan && has_repeats(points)) hold_out(kind, points, set_of, check, sum);
  if (check.points == 0) return std::nullopt;
  check.mean = sum / static_cast<double>(check.points);
  return check;
}

std::optional<LawFit> fit_law(const LawKind& kind, std::span<const LawPoint> all, std::string& why) {
  why = all.empty() ? too_few(0, 4) : kind.refusal(all);
  if (!why.empty()) return std::nullopt;
  LawFit found;
  found.kind = &kind;
  found.points = kind.concerns(all);
  found.law = kind.fit(all);
  found.gmacs = all.front().gmacs;
  const auto n = static_cast<double>(found.points.size());
  double mean = 0, squares = 0, spread = 0, misses = 0;
  for (const LawPoint& p : found.points) mean += p.error / n;
  std::size_t missed = 0;
  for (const LawPoint& p : found.points) {
    const double miss = predicted(kind, found.law, p) / p.error - 1;
    misses += miss * miss;
    missed += std::abs(miss) > kMisfit ? 1U : 0U;
    squares += std::pow(predicted(kind, found.law, p) - p.error, 2);
    spread += std::pow(p.error - mean, 2);
  }
  if (static_cast<double>(missed) >= kMostMisfits * n) {
    why = fmt::format("the best law misses {} of its {} points by more than {:.0f} %", missed, found.points.size(),
                      100 * kMisfit);
    return std::nullopt;
  }
  found.rms = std::sqrt(misses / n);
  found.r2 = spread > 0 ? 1 - squares / spread : 1;
  found.repeats = kind.knows_repeats && has_repeats(found.points);
  found.held_out = held_out_check(kind, all);
  const auto [s0, s1] = std::ranges::minmax_element(found.points, {}, &LawPoint::samples);
  const auto [d0, d1] = std::ranges::minmax_element(found.points, {}, &LawPoint::set);
  found.least_samples = s0->samples;
  found.most_samples = s1->samples;
  found.least_set = d0->set;
  found.most_set = d1->set;
  for (const LawPoint& p : found.points) found.most_epochs = std::max(found.most_epochs, p.samples / p.set);
  return found;
}

Noise noise_of(std::span<const LawFit* const> fits) {
  double squares = 0, freedom = 0;
  for (const LawFit* fit : fits) {
    squares += fit->squares();
    freedom += std::max(0.0, static_cast<double>(fit->points.size()) - fit->law.spent);
  }
  freedom = std::max(1.0, freedom);
  return {std::max(kLeastNoise, std::sqrt(squares / freedom)), freedom};
}

void redraw(LawFit& fit, const Noise& noise, int redraws, std::uint64_t seed) {
  fit.redraws.clear();
  // Of a normal distribution the standard deviation is 1.25 times the mean size.
  const double of_larger_runs = fit.held_out ? 1.25 * fit.held_out->mean : 0;
  std::vector<LawPoint> drawn = fit.points;
  for (int i = 0; i < redraws; ++i) {
    RandomStream stream(seed, Purpose::bootstrap, static_cast<std::uint64_t>(i));
    const double ratio = noise.freedom / std::max(1e-9, chi_squared(stream, noise.freedom));
    const double scale = noise.scale * std::min(kLargestScale, std::sqrt(ratio));
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      drawn[k].error = predicted(*fit.kind, fit.law, fit.points[k]) * std::exp(scale * stream.normal());
    }
    // A front of redrawn points may be too short for its law.
    if (!fit.kind->refusal(drawn).empty()) continue;
    fit.redraws.push_back({fit.kind->fit(drawn), std::max(scale, of_larger_runs) * stream.normal()});
  }
}

Interval interval_of(const LawFit& fit, double samples, double set) {
  if (fit.redraws.empty()) return {fit(samples, set), fit(samples, set)};
  std::vector<double> errors;
  for (const Redraw& one : fit.redraws) {
    errors.push_back(predicted(*fit.kind, one.law, {samples, set, 0, fit.gmacs}) * std::exp(one.new_run));
  }
  std::ranges::sort(errors);
  return {nearest_quantile(errors, 0.05), nearest_quantile(errors, 0.95)};
}

}  // namespace clip_hpc
