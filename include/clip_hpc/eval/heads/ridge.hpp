// Few-shot linear regression on frozen features, as big_vision's fewshot_lsr: closed form, in double precision.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/eval/samples.hpp"

namespace clip_hpc {

struct FewshotOptions {
  std::vector<std::int64_t> shots{1, 5, 10, 25};
  std::int64_t seeds = 3;
  std::vector<double> l2{1024};
};

// Rows of the first `shots` samples of each class, class by class; all of a class that has fewer. Fewer shots of the
// same seed are a part of more.
std::vector<std::int64_t> fewshot_rows(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                       std::int64_t shots, std::uint64_t seed);

// A head for every l2: features are standardised by their own mean and deviation (+ 1e-5), a constant feature of 100
// carries the bias, targets are 1 for the class and -1 else. Standardisation is folded into the weights.
struct RidgeHead {
  at::Tensor weight;  // [dim, classes] double
  at::Tensor bias;    // [classes] double
};
std::vector<RidgeHead> fit_ridge(const Samples& samples, std::int64_t classes, std::span<const double> l2);

struct FewshotOutcome {  // of one number of shots, one l2 and one test set
  std::int64_t shots = 0;
  double l2 = 0;
  std::size_t test = 0;
  std::map<std::string, double> metrics;  // means over the seeds, and acc1_seed_0, acc1_seed_1 …
};

// Collective; every rank needs all samples. Each (seed, shots) is solved by one rank, with all l2 at once. The same
// numbers for any number of ranks.
std::vector<FewshotOutcome> evaluate_fewshot(Communicator& comm, const Samples& train, std::int64_t classes,
                                             std::span<const TestSamples> tests, const FewshotOptions& options);

}  // namespace clip_hpc
