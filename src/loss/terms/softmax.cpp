#include "clip_hpc/loss/terms/softmax.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kNoLogit = -std::numeric_limits<double>::infinity();

// Log-sum-exp of each text's column, from this rank's rows to those of all ranks. [global], in place.
void add_other_ranks(Communicator& comm, const at::Tensor& lse) {
  const at::Tensor top = lse.clone();
  comm.all_reduce(top, ReduceOp::max);
  lse.sub_(top).exp_();
  comm.all_reduce(lse, ReduceOp::sum);
  lse.log_().add_(top);
}

// The columns [begin, end) of all, and where this rank's own begin among them.
struct Block {
  std::int64_t begin, end, first;
  at::Tensor diagonal_of(const at::Tensor& block, std::int64_t rows) const {  // of its own pairs; none: undefined
    const std::int64_t from = std::max(begin, first), to = std::min(end, first + rows);
    if (from >= to) return {};
    return block.slice(1, from - begin, to - begin).slice(0, from - first, to - first).diagonal();
  }
};

// Both directions from one matrix of logits: row i is an image of this rank against all texts; of a text's column other
// ranks have the other rows, and one number a text says what they add. Texts travel once each way, and their gradients
// take the place of what was gathered.
struct SoftmaxLoss : torch::autograd::Function<SoftmaxLoss> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& image, const at::Tensor& text,
                            const at::Tensor& logit_scale, Communicator* comm, const BatchSplit& split,
                            const LossOptions& options) {
    const std::int64_t rows = image.size(0), global = split.global(), first = split.first();
    const bool is_whole = options.columns <= 0 || options.columns >= global;
    const std::int64_t columns = is_whole ? global : options.columns;
    const at::Tensor scale = logit_scale.to(image.scalar_type()).exp(), scaled = image * scale;  // [rows, dim]
    const at::Tensor texts = all_rows(*comm, text, split.rows_per_rank);                         // [global, dim]
    at::Tensor of_rows = at::full({rows}, kNoLogit, image.options());
    const at::Tensor of_columns = at::empty({global}, image.options());
    at::Tensor logits;  // [rows, columns]
    for (std::int64_t begin = 0; begin < global; begin += columns) {
      const std::int64_t end = std::min(global, begin + columns);
      logits = at::mm(scaled, texts.slice(0, begin, end).t());
      of_rows = at::logaddexp(of_rows, logits.logsumexp(1));
      of_columns.slice(0, begin, end).copy_(logits.logsumexp(0));
    }
    add_other_ranks(*comm, of_columns);
    context->save_for_backward({image, scale, of_rows, of_columns});
    context->saved_data["texts"] = texts;  // backward writes into it
    if (is_whole) context->saved_data["logits"] = logits;
    context->saved_data["columns"] = columns;
    context->saved_data["rows_per_rank"] = split.rows_per_rank;
    context->saved_data["partial"] = options.partial_gradient && comm->size() > 1;
    context->saved_data["communicator"] = reinterpret_cast<std::int64_t>(comm);  // an IValue holds no pointer
    const at::Tensor own = (scaled * text).sum(1);
    return (of_rows + of_columns.slice(0, first, first + rows) - own * 2).sum() * (0.5 / static_cast<double>(global));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    auto& data = context->saved_data;
    if (data.count("texts") == 0) throw internal_error("the backward pass of a softmax loss runs once");
    const at::Tensor &image = saved[0], &scale = saved[1], &of_rows = saved[2], &of_columns = saved[3];
    const at::Tensor texts = data["texts"].toTensor(),
                     kept = data.count("logits") > 0 ? data["logits"].toTensor() : at::Tensor();
    data.erase("texts");
    auto* comm = reinterpret_cast<Communicator*>(data["communicator"].toInt());
    const BatchSplit split{data["rows_per_rank"].toIntVector(), comm->rank()};
    const std::int64_t rows = image.size(0), global = split.global(), columns = data["columns"].toInt();
    const bool is_partial = data["partial"].toBool();
    const at::Tensor scaled = image * scale, by_image = at::zeros_like(image);
    const at::Tensor by_scale = at::zeros({}, image.options());  // sum of gradient times logit
    for (std::int64_t begin = 0; begin < global; begin += columns) {
      const Block block{begin, std::min(global, begin + columns), split.first()};
      at::Tensor part = texts.slice(0, block.begin, block.end);
      const at::Tensor logits = kept.defined() ? kept : at::mm(scaled, part.t());
      const at::Tensor of_part = of_columns.slice(0, block.begin, block.end);
      const at::Tensor of_loss = is_partial ? logits.clone() : at::Tensor();
      at::Tensor to_image = (logits - of_rows.unsqueeze(1)).exp_();  // the rows' softmax
      at::Tensor to_texts = logits.sub_(of_part).exp_();             // the columns' one, over the logits
      if (is_partial) {
        by_scale.add_(((to_image + to_texts) * of_loss).sum());
        if (at::Tensor diagonal = block.diagonal_of(to_texts, rows); diagonal.defined()) {
          by_scale.sub_(block.diagonal_of(of_loss, rows).sum() * 2);
          diagonal.sub_(1);
        }
      } else {
        to_image.add_(to_texts);
        to_texts = to_image;
      }
      if (at::Tensor diagonal = block.diagonal_of(to_image, rows); diagonal.defined()) {
        diagonal.sub_(is_partial ? 1 : 2);
      }
      by_image.addmm_(to_image, part);
      at::mm_out(part, to_texts.t(), image);
    }
    data.erase("logits");
    const at::Tensor factor = grads[0] * (0.5 / static_cast<double>(global)), by_logit = factor * scale;
    const at::Tensor sum = is_partial ? by_scale * factor : (image * by_image).sum() * by_logit;
    const at::Tensor by_text = sum_to_owner(*comm, texts, split.rows_per_rank);  // [rows, dim]
    return {by_image.mul_(by_logit), by_text * by_logit, sum, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor partial_softmax(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                           const LossOptions& options) {
  return SoftmaxLoss::apply(rows.image, rows.text, scales.logit_scale, &comm, split, options);
}

}  // namespace

LossTerm softmax_term() {
  return {.name = "softmax",
          .help = "CLIP: cross entropy in both directions",
          .is_extra = false,
          .initial = {},
          .partial = partial_softmax};
}

}  // namespace clip_hpc
