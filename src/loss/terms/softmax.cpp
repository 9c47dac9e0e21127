#include "clip_hpc/loss/terms/softmax.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "clip_hpc/comm/gather_with_grad.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The sum of log softmax by way of the rows' log-sum-exp, `columns` keys at a time. Of the logits nothing is kept.
struct ColumnwiseLoss : torch::autograd::Function<ColumnwiseLoss> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& scale, std::int64_t first, std::int64_t columns) {
    const std::int64_t rows = queries.size(0);
    const at::Tensor scaled = queries * scale;  // [rows, dim]
    at::Tensor lse = at::full({rows}, -std::numeric_limits<double>::infinity(), queries.options());
    for (std::int64_t begin = 0; begin < keys.size(0); begin += columns) {
      const at::Tensor logits = at::matmul(scaled, keys.slice(0, begin, begin + columns).t());  // [rows, columns]
      lse = at::logaddexp(lse, logits.logsumexp(1));
    }
    context->save_for_backward({queries, keys, scale, lse});
    context->saved_data["first"] = first;
    context->saved_data["columns"] = columns;
    return (lse - (scaled * keys.slice(0, first, first + rows)).sum(1)).sum();
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &queries = saved[0], &keys = saved[1], &scale = saved[2], &lse = saved[3];
    const std::int64_t first = context->saved_data["first"].toInt();
    const std::int64_t columns = context->saved_data["columns"].toInt();
    const std::int64_t rows = queries.size(0);
    const at::Tensor scaled = queries * scale;
    at::Tensor by_query = at::zeros_like(queries);
    const at::Tensor by_key = at::empty(keys.sizes(), keys.options());
    for (std::int64_t begin = 0; begin < keys.size(0); begin += columns) {
      const std::int64_t end = std::min(keys.size(0), begin + columns);
      const at::Tensor part = keys.slice(0, begin, end);
      at::Tensor pull = at::matmul(scaled, part.t()).sub_(lse.unsqueeze(1)).exp_();  // softmax - 1 at the own key
      const std::int64_t own_begin = std::max(begin, first), own_end = std::min(end, first + rows);
      if (own_begin < own_end) {
        pull.slice(0, own_begin - first, own_end - first)
            .slice(1, own_begin - begin, own_end - begin)
            .diagonal()
            .sub_(1);
      }
      by_query.addmm_(pull, part);
      at::Tensor into = by_key.slice(0, begin, end);
      at::mm_out(into, pull.t(), queries);
    }
    const at::Tensor by_scale = grads[0] * (queries * by_query).sum();  // the logits' own derivative, summed
    const at::Tensor factor = grads[0] * scale;
    return {by_query.mul_(factor), by_key.mul_(factor), by_scale, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor softmax_loss_sum(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& scale,
                            std::int64_t first, std::int64_t columns) {
  if (columns > 0 && columns < keys.size(0)) return ColumnwiseLoss::apply(queries, keys, scale, first, columns);
  const at::Tensor targets =
      at::arange(first, first + queries.size(0), at::TensorOptions().dtype(at::kLong).device(queries.device()));
  return at::cross_entropy_loss(at::matmul(queries * scale, keys.t()), targets, {}, at::Reduction::Sum);
}

namespace {

at::Tensor partial_softmax(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                           const LossOptions& options) {
  const std::int64_t width = rows.image.size(1), first = split.first();

  // One gather for both: [global, 2 * embed_dim]
  const at::Tensor all = gather_rows(comm, at::cat({rows.image, rows.text}, 1), split.rows_per_rank);
  const at::Tensor all_images = all.slice(1, 0, width);
  const at::Tensor all_texts = all.slice(1, width);
  const at::Tensor scale = scales.logit_scale.to(rows.image.scalar_type()).exp();
  const at::Tensor both = softmax_loss_sum(rows.image, all_texts, scale, first, options.columns) +
                          softmax_loss_sum(rows.text, all_images, scale, first, options.columns);
  return both * (0.5 / static_cast<double>(split.global()));
}

}  // namespace

LossTerm softmax_term() {
  return {
      .name = "softmax", .help = "CLIP: cross entropy in both directions", .initial = {}, .partial = partial_softmax};
}

}  // namespace clip_hpc
