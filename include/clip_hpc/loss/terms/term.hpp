// The terms that a loss may be a sum of. A term is a row of the table in src/loss/terms/term.cpp and one file
// behind it; rows do not depend on each other.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/comm/batch_split.hpp"
#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

// What the loss sees of a batch, and where micro-batching cuts: this rank's rows, fp32 or fp64.
struct Encoded {
  at::Tensor image, text;               // [rows, embed_dim], unit length
  std::vector<at::Tensor> projections;  // one a further view, [rows, width of the head], unit length
  at::Tensor teacher = {};              // [rows, 2 * its embed_dim], unit length: image, text; undefined without one
};

struct Scales {
  at::Tensor logit_scale;  // scalar: ln of the factor on cosine similarities
  at::Tensor logit_bias;   // scalar that is added to the logits; not defined where the model has none
};

struct LossOptions {
  std::int64_t columns = 0;    // of the logits in memory at a time; 0: all
  double teacher_scale = 100;  // on its cosine similarities
  double temperature = 0.1;    // of ntxent: divides its cosine similarities
  // softmax: on several ranks the features that a row is compared with count as constants, as in the code of SLIP,
  // which gathers without a gradient. The gradient is then about half of the whole one; of one rank it is the whole
  // one.
  bool partial_gradient = false;
};

// Initial values that a term is trained from, for a model file that does not name its own.
struct InitialScales {
  double logit_scale, logit_bias;
};

struct LossTerm {
  const char* name;
  const char* help;
  bool is_extra = false;                 // goes beside strategy.loss, where a strategy asks for it
  std::optional<InitialScales> initial;  // with them the model has a logit bias
  // Collective. This rank's part of the term: the sum of the parts over ranks is its value, the sum of the gradients
  // over ranks its gradient. No averaging, so ranks may have different numbers of rows.
  at::Tensor (*partial)(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                        const LossOptions& options);
};

std::span<const LossTerm> loss_terms();
const LossTerm& loss_term(const std::string& name);  // throws input, naming the nearest

struct WeightedTerm {
  const LossTerm* term = nullptr;
  double weight = 1;
};

// Collective. This rank's part of the weighted sum.
at::Tensor partial_loss(Communicator& comm, std::span<const WeightedTerm> terms, const Encoded& rows,
                        const Scales& scales, const BatchSplit& split, const LossOptions& options);

}  // namespace clip_hpc
