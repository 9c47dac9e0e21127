// Goyal et al., CVPR 2024 (arXiv 2404.07177): every time that a sample is seen again it is worth less. Of a pool of P
// samples, n seen, epochs i = 0 .. floor(n / P): x_i = a min(P (i + 1), n) / 1e5, utility b_i = b 0.5^(i / tau),
//   paper:         error = x_0^b_0 * product over i >= 1 of (x_i / x_(i-1))^b_i + d
//   released code: error = (x_0^b_0 + d) * the same product
// k pools that are mixed evenly: P -> k P, b_i = mean over pools of b_j 0.5^(i / (k tau_j)).
#pragma once

#include "postprocess/fit/laws/law.hpp"

namespace clip_hpc {

LawKind repeated_law();       // the paper's form
LawKind repeated_code_law();  // that of the released code

enum class RepeatedForm { paper, released_code };

struct Pool {
  double b = 0;    // utility, below 0
  double tau = 1;  // half-life, epochs
};

struct Mixture {
  std::vector<Pool> pools;
  double pool_samples = 0;
  double a = 1, d = 0;
};

double repeated_error(const Mixture& mixture, double samples, RepeatedForm form = RepeatedForm::paper);

}  // namespace clip_hpc
