#include "clip_hpc/loss/terms/ntxent.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"
#include "clip_hpc/loss/softmax_rows.hpp"

namespace clip_hpc {
namespace {

at::Tensor partial_ntxent(Communicator& comm, const Encoded& rows, const Scales&, const BatchSplit& split,
                          const LossOptions& options) {
  if (rows.projections.size() != 2) throw internal_error("ntxent compares two views, not {}", rows.projections.size());
  const at::Tensor &a = rows.projections[0], &b = rows.projections[1];  // [rows, width]
  const std::int64_t width = a.size(1), first = split.first(), global = split.global();
  const at::Tensor all = gather_rows(comm, at::cat({a, b}, 1), split.rows_per_rank);  // [global, 2 * width]
  const at::Tensor all_a = all.slice(1, 0, width), all_b = all.slice(1, width);
  const at::Tensor scale = at::full({}, 1 / options.temperature, a.options());
  const RowKeys which{.own = first, .excluded = global + first};  // the other view, and not the same
  const at::Tensor both = softmax_loss_sum(a, at::cat({all_b, all_a}), scale, which, options.columns) +
                          softmax_loss_sum(b, at::cat({all_a, all_b}), scale, which, options.columns);
  return both * (0.5 / static_cast<double>(global));
}

}  // namespace

LossTerm ntxent_term() {
  return {.name = "ntxent",
          .help = "two further views of an image find each other, of slip",
          .is_extra = true,
          .initial = {},
          .partial = partial_ntxent};
}

}  // namespace clip_hpc
