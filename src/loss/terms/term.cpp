#include "clip_hpc/loss/terms/term.hpp"

#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/loss/terms/distill.hpp"
#include "clip_hpc/loss/terms/ntxent.hpp"
#include "clip_hpc/loss/terms/sigmoid.hpp"
#include "clip_hpc/loss/terms/softmax.hpp"

namespace clip_hpc {

std::span<const LossTerm> loss_terms() {
  static const LossTerm kTerms[] = {
      softmax_term(),
      sigmoid_term(),
      distill_term(),
      ntxent_term(),
  };
  return kTerms;
}

const LossTerm& loss_term(const std::string& name) { return row_named(loss_terms(), name, "loss"); }

at::Tensor partial_loss(Communicator& comm, std::span<const WeightedTerm> terms, const Encoded& rows,
                        const Scales& scales, const BatchSplit& split, const LossOptions& options) {
  at::Tensor sum;
  for (const WeightedTerm& one : terms) {
    at::Tensor part = one.term->partial(comm, rows, scales, split, options);
    if (one.weight != 1) part = part * one.weight;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace clip_hpc
