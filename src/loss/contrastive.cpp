#include "clip_hpc/loss/contrastive.hpp"

#include <numeric>

#include "clip_hpc/comm/gather_with_grad.hpp"

namespace clip_hpc {

at::Tensor contrastive_loss_share(Communicator& comm, const at::Tensor& image, const at::Tensor& text,
                                  const at::Tensor& logit_scale, std::span<const std::int64_t> rows_per_rank) {
  const auto rank = static_cast<std::size_t>(comm.rank());
  const std::int64_t global = std::accumulate(rows_per_rank.begin(), rows_per_rank.end(), std::int64_t{0});
  const std::int64_t first =
      std::accumulate(rows_per_rank.begin(), rows_per_rank.begin() + comm.rank(), std::int64_t{0});
  const std::int64_t rows = rows_per_rank[rank];
  const std::int64_t width = image.size(1);

  // One gather for both: [global, 2 * embed_dim]
  const at::Tensor all = gather_rows(comm, at::cat({image, text}, 1), rows_per_rank);
  const at::Tensor all_images = all.slice(1, 0, width);
  const at::Tensor all_texts = all.slice(1, width);

  const at::Tensor scale = logit_scale.to(image.scalar_type()).exp();
  const at::Tensor targets =
      at::arange(first, first + rows, at::TensorOptions().dtype(at::kLong).device(image.device()));
  const at::Tensor image_logits = at::matmul(image * scale, all_texts.t());  // [rows, global]
  const at::Tensor text_logits = at::matmul(text * scale, all_images.t());   // [rows, global]
  const auto sum = at::Reduction::Sum;
  const at::Tensor both =
      at::cross_entropy_loss(image_logits, targets, {}, sum) + at::cross_entropy_loss(text_logits, targets, {}, sum);
  return both * (0.5 / static_cast<double>(global));
}

}  // namespace clip_hpc
