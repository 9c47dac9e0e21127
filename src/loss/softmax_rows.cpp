#include "clip_hpc/loss/softmax_rows.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kNever = -std::numeric_limits<double>::infinity();

// Of a block [rows, end - begin] of all columns: its elements (i, first + i). Undefined where it has none.
at::Tensor diagonal_of(const at::Tensor& block, std::int64_t begin, std::int64_t first) {
  const std::int64_t rows = block.size(0), end = begin + block.size(1);
  const std::int64_t from = std::max(begin, first), to = std::min(end, first + rows);
  if (first < 0 || from >= to) return {};
  return block.slice(0, from - first, to - first).slice(1, from - begin, to - begin).diagonal();
}

void fill_diagonal(const at::Tensor& block, std::int64_t begin, std::int64_t first, double value) {
  if (at::Tensor diagonal = diagonal_of(block, begin, first); diagonal.defined()) diagonal.fill_(value);
}

// The sum of log softmax by way of the rows' log-sum-exp, `columns` keys at a time. Of the logits nothing is kept.
struct ColumnwiseLoss : torch::autograd::Function<ColumnwiseLoss> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& scale, const RowKeys& which, std::int64_t columns) {
    const std::int64_t rows = queries.size(0);
    const at::Tensor scaled = queries * scale;  // [rows, dim]
    at::Tensor lse = at::full({rows}, kNever, queries.options());
    for (std::int64_t begin = 0; begin < keys.size(0); begin += columns) {
      const at::Tensor logits = at::matmul(scaled, keys.slice(0, begin, begin + columns).t());  // [rows, columns]
      fill_diagonal(logits, begin, which.excluded, kNever);
      lse = at::logaddexp(lse, logits.logsumexp(1));
    }
    context->save_for_backward({queries, keys, scale, lse});
    context->saved_data["own"] = which.own;
    context->saved_data["excluded"] = which.excluded;
    context->saved_data["columns"] = columns;
    return (lse - (scaled * keys.slice(0, which.own, which.own + rows)).sum(1)).sum();
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &queries = saved[0], &keys = saved[1], &scale = saved[2], &lse = saved[3];
    const std::int64_t own = context->saved_data["own"].toInt(), excluded = context->saved_data["excluded"].toInt();
    const std::int64_t columns = context->saved_data["columns"].toInt();
    const at::Tensor scaled = queries * scale;
    at::Tensor by_query = at::zeros_like(queries);
    const at::Tensor by_key = at::empty(keys.sizes(), keys.options());
    for (std::int64_t begin = 0; begin < keys.size(0); begin += columns) {
      const std::int64_t end = std::min(keys.size(0), begin + columns);
      const at::Tensor part = keys.slice(0, begin, end);
      at::Tensor pull = at::matmul(scaled, part.t()).sub_(lse.unsqueeze(1)).exp_();  // softmax - 1 at the own key
      fill_diagonal(pull, begin, excluded, 0);
      if (at::Tensor diagonal = diagonal_of(pull, begin, own); diagonal.defined()) diagonal.sub_(1);
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
                            const RowKeys& which, std::int64_t columns) {
  if (columns > 0 && columns < keys.size(0)) return ColumnwiseLoss::apply(queries, keys, scale, which, columns);
  const at::Tensor targets =
      at::arange(which.own, which.own + queries.size(0), at::TensorOptions().dtype(at::kLong).device(queries.device()));
  const at::Tensor logits = at::matmul(queries * scale, keys.t());  // [rows, n]
  fill_diagonal(logits, 0, which.excluded, kNever);
  return at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum);
}

}  // namespace clip_hpc
