#include "clip_hpc/train/micro_batches.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

// A copy that gathers a gradient of its own.
at::Tensor leaf_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().clone().requires_grad_() : at::Tensor();
}

// What carries `gradients` of the encoded rows [begin, end) back through the towers.
at::Tensor pull_of(const Encoded& part, const Encoded& whole, std::int64_t begin, std::int64_t end) {
  const auto pull = [&](const at::Tensor& features, const at::Tensor& leaf) {
    return (features * leaf.grad().slice(0, begin, end)).sum();
  };
  at::Tensor sum = pull(part.image, whole.image) + pull(part.text, whole.text);
  for (std::size_t i = 0; i < part.projections.size(); ++i) {
    sum = sum + pull(part.projections[i], whole.projections[i]);
  }
  return sum;
}

// Of the whole batch, without a graph.
Encoded encode_all(const ClipModel& model, const PairBatch& batch, std::int64_t micro_batch) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> images, texts;
  std::vector<std::vector<at::Tensor>> projections;
  for (std::int64_t begin = 0; begin < batch.rows(); begin += micro_batch) {
    const Encoded part = encode(model, batch.slice(begin, std::min(batch.rows(), begin + micro_batch)));
    images.push_back(part.image);
    texts.push_back(part.text);
    projections.resize(part.projections.size());
    for (std::size_t i = 0; i < projections.size(); ++i) projections[i].push_back(part.projections[i]);
  }
  Encoded whole{at::cat(images), at::cat(texts), {}, batch.teacher};
  for (const auto& parts : projections) whole.projections.push_back(at::cat(parts));
  return whole;
}

}  // namespace

void check_parts(const ClipModel& model, std::int64_t micro_batch, bool recompute, const char* micro_batch_key,
                 const char* recompute_key) {
  if (!model.image().has_batch_statistics() || (micro_batch == 0 && !recompute)) return;
  throw input_error(
      "model {}: its BatchNorm looks at the whole batch, which {} takes apart: leave that at its default, or use a "
      "tower "
      "without (ResNet with \"norm\": \"group\")",
      model.config().name, micro_batch > 0 ? micro_batch_key : recompute_key);
}

at::Tensor backward_in_micro_batches(const ClipModel& model, GradReducer& reducer, const PairBatch& batch,
                                     std::int64_t micro_batch, const PartialLoss& loss_of) {
  // 1. Features of the whole batch. No graph is kept.
  Encoded whole = encode_all(model, batch, micro_batch);
  whole.image.requires_grad_();  // [rows, embed_dim]
  whole.text.requires_grad_();   // [rows, embed_dim]
  for (at::Tensor& one : whole.projections) one.requires_grad_();
  const Scales scales = scales_of(model), leaves{leaf_of(scales.logit_scale), leaf_of(scales.logit_bias)};

  // 2. The loss over the global batch, and its gradient by features, scale and bias.
  const at::Tensor loss = loss_of(whole, leaves);
  loss.backward();

  // 3. Through the towers. With the last micro-batch gradients are whole, and buckets travel while it still runs.
  for (std::int64_t begin = 0; begin < batch.rows(); begin += micro_batch) {
    const std::int64_t end = std::min(batch.rows(), begin + micro_batch);
    at::Tensor pull = pull_of(encode(model, batch.slice(begin, end)), whole, begin, end);
    if (end == batch.rows()) {
      pull = pull + scales.logit_scale * leaves.logit_scale.grad();
      if (scales.logit_bias.defined()) pull = pull + scales.logit_bias * leaves.logit_bias.grad();
      // The head's gradients came with the loss.
      reducer.start(model.head() ? model.head()->parameters() : std::vector<std::size_t>{});
    }
    pull.backward();
  }
  reducer.finish();
  return loss.detach();
}

}  // namespace clip_hpc
