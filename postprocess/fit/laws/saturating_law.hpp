// error = floor + a (samples / samples_0)^-alpha + b (set / set_0)^-beta
// samples: seen in training; set: distinct ones. Where each sample is seen once they are the same number, and the term
// of the set is left out: error = floor + a C^-alpha, with compute C = samples x cost of a sample.
#pragma once

#include "postprocess/fit/laws/law.hpp"

namespace clip_hpc {

LawKind saturating_law();

struct SaturatingLaw {
  double floor = 0;
  double a = 0, alpha = 0, samples_0 = 1;  // a = 0: no term of the samples
  double b = 0, beta = 0, set_0 = 1;       // b = 0: no term of the set
  double operator()(double samples, double set) const;
};
SaturatingLaw saturating_of(const Law& law);

}  // namespace clip_hpc
