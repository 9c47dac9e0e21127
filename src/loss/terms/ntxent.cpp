#include "clip_hpc/loss/terms/ntxent.hpp"

#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"
#include "clip_hpc/loss/softmax_rows.hpp"

namespace clip_hpc {
namespace {

at::Tensor partial_ntxent(Communicator& comm, const Encoded& rows, const Scales&, const BatchSplit& split,
                          const LossOptions& options) {
  if (rows.projections.size() != 2) throw internal_error("ntxent compares two views, not {}", rows.projections.size());
  const at::Tensor &a = rows.projections[0], &b = rows.projections[1];  // [rows, width]
  std::vector<std::int64_t> both_views = split.rows_per_rank;
  for (std::int64_t& count : both_views) count *= 2;
  const at::Tensor all = gather_rows(comm, at::cat({a, b}), both_views);  // [2 * global, width]: a, b of each rank
  const std::int64_t of_a = 2 * split.first(), of_b = of_a + a.size(0);
  const at::Tensor scale = at::full({}, 1 / options.temperature, a.options());
  // The other view is its own key, and itself none.
  const at::Tensor sum = softmax_loss_sum(a, all, scale, {.own = of_b, .excluded = of_a}, options.columns) +
                         softmax_loss_sum(b, all, scale, {.own = of_a, .excluded = of_b}, options.columns);
  return sum * (0.5 / static_cast<double>(split.global()));
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
