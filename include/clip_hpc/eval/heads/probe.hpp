// Linear classifiers on frozen features, trained by three recipes. All members of a sweep (learning rates, weight
// decays, C) are trained side by side: their heads are columns of one matrix, so a step is one GEMM for all of them.
// Where one head alone fills a GEMM, heads go to different ranks. Results are the same for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/eval/samples.hpp"

namespace clip_hpc {

// sgd    momentum 0.9, no decay, head of zeros, cosine by epoch; learning rates are swept, as the paper does
// adamw  CLIP_benchmark's: torch's initial head and order of samples for this seed, cosine by step; weight decays: 97
//        from 1e-6 to 1e2, every 16th first, then halving the distance around the best
// lbfgs  multinomial logistic regression to the minimum, as scikit-learn's and OpenAI's; C: 97 from 1e-6 to 1e6,
// likewise
struct ProbeRecipe {
  std::string method = "sgd";
  std::vector<double> values = {};  // to choose from; empty: the method's own. One value: nothing is chosen
  std::int64_t epochs = 0;          // of sgd and adamw; 0: 90 and 10
  std::int64_t batch = 256;         // of sgd and adamw
  double learning_rate = 0.1;       // of adamw
  // Of lbfgs: largest component of the gradient of the mean loss. Below 1e-6 it is computed in double precision.
  double tolerance = 1e-6;
  std::int64_t max_iterations = 1000;  // of lbfgs
  std::uint64_t seed = 0;
};

// Heads of several members. fp32, of lbfgs double.
struct ProbeHeads {
  at::Tensor weight;  // [members, dim, classes]
  at::Tensor bias;    // [members, classes]
};

// One head for each value (learning rate, weight decay or C), all trained together on this rank.
ProbeHeads train_heads(const ProbeRecipe& recipe, const Samples& train, std::int64_t classes,
                       std::span<const double> values);

struct ProbeTrial {
  double value = 0, acc1 = 0;  // on the validation samples
};

struct ProbeHead {
  at::Tensor weight;   // [dim, classes]
  at::Tensor bias;     // [classes]
  std::string chosen;  // lr, weight_decay or C
  double value = 0;
  std::vector<ProbeTrial> trials;  // in the order in which they were asked for, each value once
};

// Holds out a share of each class, rounded down, so that every class keeps a training sample.
std::pair<Samples, Samples> split_validation(const Samples& samples, std::int64_t classes, double share,
                                             std::uint64_t seed);  // train, validation

// Collective. Chooses the value by validation accuracy (of equals the first), then trains on both parts. Without
// validation samples adamw takes no decay, as CLIP_benchmark does, and the others need exactly one value.
ProbeHead fit_probe(Communicator& comm, const ProbeRecipe& recipe, const Samples& train, const Samples& validation,
                    std::int64_t classes);

}  // namespace clip_hpc
