// Saturating power laws of error against training, fitted robustly, with intervals and a held-out check:
//   error = floor + a (samples / samples_0)^-alpha + b (set / set_0)^-beta
// samples: seen in training; set: distinct ones. Where each sample is seen once they are the same number, and the term
// of the set is left out: error = floor + a C^-alpha, with compute C = samples x cost of a sample.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

struct LawPoint {
  double samples = 0, set = 0;
  double error = 0;  // above 0
};

struct PowerLaw {
  double floor = 0;
  double a = 0, alpha = 0, samples_0 = 1;  // a = 0: no term of the samples
  double b = 0, beta = 0, set_0 = 1;       // b = 0: no term of the set
  double operator()(double samples, double set) const;
};

struct HeldOut {  // the points of the largest sets (or longest runs), told from the others
  std::size_t points = 0;
  double worst = 0;  // largest |predicted / measured - 1|
};

struct LawFit {
  PowerLaw law;
  std::vector<PowerLaw> redraws;  // fits of redrawn residuals: what else the points would allow
  double rms = 0;                 // of predicted / measured - 1
  std::size_t points = 0;
  std::optional<HeldOut> held_out;
  double least_samples = 0, most_samples = 0, least_set = 0, most_set = 0;
  bool repeats = false;  // the points hold runs that see a sample more than once, so the law knows of it
};

// Fewest points: 4 for one term, 6 for both. Nothing, with the reason in `why`, when there are too few, or they are too
// close together (less than a factor of 4). Relative residuals above 5 % count linearly (Huber). The same points give
// the same fit, redraws included.
std::optional<LawFit> fit_law(std::span<const LawPoint> points, int redraws, std::uint64_t seed, std::string& why);

struct Interval {
  double low = 0, high = 0;
};
Interval interval_of(const LawFit& fit, double samples, double set);  // 5 % and 95 % of the redraws

}  // namespace clip_hpc
