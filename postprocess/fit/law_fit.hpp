// What is the same for every law: whether points determine it, how well it predicts larger runs that were hidden from
// it, and intervals.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "postprocess/fit/laws/law.hpp"

namespace clip_hpc {

// The largest octave of compute, and of the size of the data where that varies, predicted from the other points.
struct HeldOut {
  std::size_t points = 0;
  double mean = 0, worst = 0;  // of |predicted / measured - 1|
};

// Of the logarithm of a point's error about its law.
struct Noise {
  double scale = 0;
  double freedom = 1;  // degrees of freedom that the scale was estimated with
};

struct Redraw {  // the law fitted again to points with noise, and the noise of one new run
  Law law;
  double new_run = 0;
};

struct LawFit {
  const LawKind* kind = nullptr;
  Law law;
  std::vector<LawPoint> points;  // those that the law concerns
  std::vector<Redraw> redraws;   // what else the points would allow
  double rms = 0;                // of predicted / measured - 1
  double r2 = 0;                 // of the errors
  std::optional<HeldOut> held_out;
  double least_samples = 0, most_samples = 0, least_set = 0, most_set = 0;
  double most_epochs = 1;  // of a point; 1: each sample once
  double gmacs = 1;        // of the points, where they agree
  bool repeats = false;    // the points hold runs that see a sample more than once, and the law tells these apart
  double operator()(double samples, double set) const;
  double squares() const;  // of log(measured / predicted), summed
};

// Nothing, with the reason in `why`, where there are too few points, or they are too close together, or the best law
// misses a fifth of them by more than 10 %. Without redraws.
std::optional<LawFit> fit_law(const LawKind& kind, std::span<const LawPoint> points, std::string& why);

// How the law predicts hidden larger points, even where the fit to all of them is refused; none where too few are left.
std::optional<HeldOut> held_out_check(const LawKind& kind, std::span<const LawPoint> points);

// The residuals of several fits together say how far runs lie from their law.
Noise noise_of(std::span<const LawFit* const> fits);

// Parametric bootstrap with an uncertain scale: each redraw takes a scale from noise.freedom / chi-squared, draws every
// point anew and fits again. A new run lies as far from the law as the points do, or as the held-out ones did. The same
// points give the same redraws.
void redraw(LawFit& fit, const Noise& noise, int redraws, std::uint64_t seed);

struct Interval {
  double low = 0, high = 0;
};
Interval interval_of(const LawFit& fit, double samples, double set);  // 5 % and 95 % of what a new run would score

}  // namespace clip_hpc
