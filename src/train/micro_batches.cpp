#include "clip_hpc/train/micro_batches.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <vector>

#include "clip_hpc/loss/terms/softmax.hpp"

namespace clip_hpc {

PairBatch PairBatch::slice(std::int64_t begin, std::int64_t end) const {
  PairBatch part{bytes.slice(0, begin, end), ids.slice(0, begin, end), std::nullopt, {}};
  if (!lengths.empty()) part.lengths.assign(lengths.begin() + begin, lengths.begin() + end);
  if (kept) part.kept = kept->slice(0, begin, end);
  return part;
}

Features encode(const ClipModel& model, const PairBatch& batch) {
  const at::ScalarType compute = model.arena().parameter(0).scalar_type();
  const at::Tensor pixels = normalise_pixels(batch.bytes, model.config().norm, compute);  // [rows, 3, size, size]
  const at::Tensor text = batch.lengths.empty() ? model.encode_text(batch.ids, true)
                                                : model.encode_text(pack_captions(batch.ids, batch.lengths), true);
  return {normalise_features(model.encode_image(pixels, batch.kept, true)), normalise_features(text)};
}

at::Tensor backward_in_micro_batches(Communicator& comm, const ClipModel& model, GradReducer& reducer,
                                     const PairBatch& batch, std::span<const std::int64_t> rows_per_rank,
                                     std::int64_t micro_batch, std::int64_t loss_columns) {
  const std::int64_t rows = batch.ids.size(0);

  // 1. Features of the whole batch. No graph is kept.
  std::vector<at::Tensor> images, texts;
  {
    const at::NoGradGuard no_grad;
    for (std::int64_t begin = 0; begin < rows; begin += micro_batch) {
      const Features part = encode(model, batch.slice(begin, std::min(rows, begin + micro_batch)));
      images.push_back(part.image);
      texts.push_back(part.text);
    }
  }
  const at::Tensor image = at::cat(images).requires_grad_();  // [rows, embed_dim]
  const at::Tensor text = at::cat(texts).requires_grad_();    // [rows, embed_dim]
  const at::Tensor scale = model.logit_scale().detach().clone().requires_grad_();

  // 2. The loss over the global batch, and its gradient by features and scale.
  const at::Tensor loss = contrastive_loss_share(comm, image, text, scale, rows_per_rank, loss_columns);
  loss.backward();

  // 3. Through the towers. With the last micro-batch gradients are whole, and buckets travel while it still runs.
  for (std::int64_t begin = 0; begin < rows; begin += micro_batch) {
    const std::int64_t end = std::min(rows, begin + micro_batch);
    const Features part = encode(model, batch.slice(begin, end));
    at::Tensor pull =
        (part.image * image.grad().slice(0, begin, end)).sum() + (part.text * text.grad().slice(0, begin, end)).sum();
    if (end == rows) {
      pull = pull + model.logit_scale() * scale.grad();
      reducer.start();
    }
    pull.backward();
  }
  reducer.finish();
  return loss.detach();
}

}  // namespace clip_hpc
