#include "clip_hpc/loss/terms/softmax.hpp"

#include "clip_hpc/comm/gather_with_grad.hpp"
#include "clip_hpc/loss/softmax_rows.hpp"

namespace clip_hpc {
namespace {

at::Tensor partial_softmax(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                           const LossOptions& options) {
  const std::int64_t width = rows.image.size(1), first = split.first();

  // One gather for both: [global, 2 * embed_dim]
  const at::Tensor all = gather_rows(comm, at::cat({rows.image, rows.text}, 1), split.rows_per_rank);
  const at::Tensor all_images = all.slice(1, 0, width);
  const at::Tensor all_texts = all.slice(1, width);
  const at::Tensor scale = scales.logit_scale.to(rows.image.scalar_type()).exp();
  const at::Tensor both = softmax_loss_sum(rows.image, all_texts, scale, {first}, options.columns) +
                          softmax_loss_sum(rows.text, all_images, scale, {first}, options.columns);
  return both * (0.5 / static_cast<double>(split.global()));
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
