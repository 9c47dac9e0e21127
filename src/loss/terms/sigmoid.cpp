#include "clip_hpc/loss/terms/sigmoid.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Sums over this rank's rows; the gradients are those of the sum, before 1 / global.
struct Sums {
  at::Tensor loss;      // fp64 scalar
  at::Tensor by_image;  // [rows, dim], without the factor `scale`
  at::Tensor by_bias;   // fp64 scalar
};

// The rows against the texts of one rank, `columns` of them at a time. `is_own`: row i's own text is text i. Adds to
// `sums` and returns the gradient by the texts, without the factor `scale`. texts [n, dim] -> [n, dim]
at::Tensor add_block(const at::Tensor& image, const at::Tensor& texts, const at::Tensor& scale, const at::Tensor& bias,
                     bool is_own, std::int64_t columns, Sums& sums) {
  const std::int64_t count = texts.size(0);
  const at::Tensor by_text = at::empty_like(texts);
  const std::int64_t width = columns > 0 ? columns : std::max<std::int64_t>(count, 1);
  for (std::int64_t begin = 0; begin < count; begin += width) {
    const std::int64_t end = std::min(count, begin + width);
    const at::Tensor part = texts.slice(0, begin, end);
    const at::Tensor logits = at::mm(image * scale, part.t()).add_(bias);  // [rows, end - begin]
    sums.loss += at::softplus(logits).sum(at::kDouble);
    at::Tensor own;  // the logits of this rank's pairs among them
    if (is_own) {
      own = logits.slice(0, begin, end).diagonal();
      sums.loss -= own.sum(at::kDouble);  // softplus(-z) = softplus(z) - z
    }
    const at::Tensor pull = logits.sigmoid_();  // overwrites the logits; softplus'(z), less 1 for own pairs
    if (is_own) own.sub_(1);
    sums.by_bias += pull.sum(at::kDouble);
    sums.by_image.addmm_(pull, part);
    at::Tensor into = by_text.slice(0, begin, end);
    at::mm_out(into, pull.t(), image);
  }
  return by_text;
}

struct SigmoidLoss : torch::autograd::Function<SigmoidLoss> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& image, const at::Tensor& text,
                            const at::Tensor& logit_scale, const at::Tensor& logit_bias, Communicator* comm,
                            const BatchSplit& split, std::int64_t columns) {
    const at::ScalarType type = image.scalar_type();
    const at::Tensor scale = logit_scale.to(type).exp(), bias = logit_bias.to(type);
    const at::Tensor zero = at::zeros({}, image.options().dtype(at::kDouble));
    Sums sums{zero, at::zeros_like(image), zero.clone()};
    at::Tensor by_text;  // [rows, dim]: of this rank's own texts, from all ranks' rows
    Work before;         // a gradient goes home while the next block is computed
    for (int rank = 0; rank < comm->size(); ++rank) {
      const bool is_own = rank == comm->rank();
      const std::int64_t count = split.rows_per_rank[static_cast<std::size_t>(rank)];
      const at::Tensor texts = is_own ? text.contiguous().clone() : at::empty({count, text.size(1)}, text.options());
      comm->broadcast(texts, rank);
      const at::Tensor by_texts = add_block(image, texts, scale, bias, is_own, columns, sums);
      before.wait();
      before = comm->start_reduce(by_texts, ReduceOp::sum, rank);
      if (is_own) by_text = by_texts;
    }
    before.wait();
    const at::Tensor share = scale / static_cast<double>(split.global());
    const at::Tensor by_scale = (image * sums.by_image).sum(at::kDouble) * share;  // by ln(scale): its own derivative
    const double one = 1.0 / static_cast<double>(split.global());
    context->save_for_backward({sums.by_image * share, by_text * share, by_scale.to(logit_scale.scalar_type()),
                                (sums.by_bias * one).to(logit_bias.scalar_type())});
    return (sums.loss * one).to(type);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    variable_list gradients;
    for (const at::Tensor& one : saved) gradients.push_back(one * grads[0]);
    gradients.resize(7);
    return gradients;
  }
};

at::Tensor partial_sigmoid(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                           const LossOptions& options) {
  return SigmoidLoss::apply(rows.image, rows.text, scales.logit_scale, scales.logit_bias, &comm, split,
                            options.columns);
}

}  // namespace

LossTerm sigmoid_term() {
  return {.name = "sigmoid",
          .help = "SigLIP: a yes-or-no question for every pair",
          .is_extra = false,
          .initial = InitialScales{.logit_scale = std::log(10.0), .logit_bias = -10.0},
          .partial = partial_sigmoid};
}

}  // namespace clip_hpc
