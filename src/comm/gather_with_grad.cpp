#include "clip_hpc/comm/gather_with_grad.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::vector<std::int64_t> with_rows(const at::Tensor& like, std::int64_t rows) {
  std::vector<std::int64_t> shape = like.sizes().vec();
  shape[0] = rows;
  return shape;
}

bool is_even(const std::vector<std::int64_t>& rows) {
  return std::adjacent_find(rows.begin(), rows.end(), std::not_equal_to<>()) == rows.end();
}

// Uneven rows travel in equal parts, each as long as the longest.
at::Tensor gather(Communicator& communicator, const at::Tensor& local, const std::vector<std::int64_t>& rows) {
  const std::int64_t longest = *std::max_element(rows.begin(), rows.end());
  at::Tensor part = local.contiguous();
  if (part.size(0) < longest) {
    part = at::zeros(with_rows(local, longest), local.options());
    part.narrow(0, 0, local.size(0)).copy_(local);
  }
  at::Tensor all = at::empty(with_rows(local, longest * communicator.size()), local.options());
  communicator.all_gather(all, part);
  if (is_even(rows)) return all;
  std::vector<at::Tensor> filled;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    filled.push_back(all.narrow(0, static_cast<std::int64_t>(r) * longest, rows[r]));
  }
  return at::cat(filled);
}

at::Tensor scatter(Communicator& communicator, const at::Tensor& grad, const std::vector<std::int64_t>& rows) {
  const std::int64_t longest = *std::max_element(rows.begin(), rows.end());
  at::Tensor all = grad.contiguous();
  if (!is_even(rows)) {
    all = at::zeros(with_rows(grad, longest * communicator.size()), grad.options());
    std::int64_t first = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      all.narrow(0, static_cast<std::int64_t>(r) * longest, rows[r]).copy_(grad.narrow(0, first, rows[r]));
      first += rows[r];
    }
  }
  at::Tensor part = at::empty(with_rows(grad, longest), grad.options());
  communicator.reduce_scatter(part, all, ReduceOp::sum);
  return part.narrow(0, 0, rows[static_cast<std::size_t>(communicator.rank())]);
}

struct GatherRows : torch::autograd::Function<GatherRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& local, Communicator* communicator,
                            const std::vector<std::int64_t>& rows) {
    context->saved_data["communicator"] = reinterpret_cast<std::int64_t>(communicator);  // an IValue holds no pointer
    context->saved_data["rows"] = rows;
    return gather(*communicator, local, rows);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto* communicator = reinterpret_cast<Communicator*>(context->saved_data["communicator"].toInt());
    return {scatter(*communicator, grads[0], context->saved_data["rows"].toIntVector()), at::Tensor(), at::Tensor()};
  }
};

void check_rows(const Communicator& communicator, const at::Tensor& local,
                std::span<const std::int64_t> rows_per_rank) {
  const auto rank = static_cast<std::size_t>(communicator.rank());
  if (rows_per_rank.size() == static_cast<std::size_t>(communicator.size()) && local.dim() > 0 &&
      rows_per_rank[rank] == local.size(0)) {
    return;
  }
  throw internal_error("gather_rows: {} row counts for {} ranks, a local tensor of {} dimensions", rows_per_rank.size(),
                       communicator.size(), local.dim());
}

}  // namespace

at::Tensor all_rows(Communicator& communicator, const at::Tensor& local, std::span<const std::int64_t> rows_per_rank) {
  check_rows(communicator, local, rows_per_rank);
  return gather(communicator, local, {rows_per_rank.begin(), rows_per_rank.end()});
}

at::Tensor sum_to_owner(Communicator& communicator, const at::Tensor& all,
                        std::span<const std::int64_t> rows_per_rank) {
  return scatter(communicator, all, {rows_per_rank.begin(), rows_per_rank.end()});
}

at::Tensor gather_rows(Communicator& communicator, const at::Tensor& local,
                       std::span<const std::int64_t> rows_per_rank) {
  check_rows(communicator, local, rows_per_rank);
  if (communicator.size() == 1) return local;
  return GatherRows::apply(local, &communicator, std::vector<std::int64_t>(rows_per_rank.begin(), rows_per_rank.end()));
}

}  // namespace clip_hpc
