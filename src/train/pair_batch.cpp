#include "clip_hpc/train/pair_batch.hpp"

#include <numeric>

namespace clip_hpc {
namespace {

at::Tensor branches_of(const PairBatch& batch, std::int64_t view) {
  if (!batch.branch_scales.defined()) return {};
  const std::int64_t branches = batch.branch_scales.size(1) / batch.images.size(0);
  return batch.branch_scales.slice(1, view * branches, (view + 1) * branches);  // [rows, branches]
}

}  // namespace

PairBatch PairBatch::mapped(const Map& map) const {
  PairBatch result{map(images, 1), map(ids, 0), std::nullopt, lengths};
  if (kept) result.kept = map(*kept, 0);
  if (teacher.defined()) result.teacher = map(teacher, 0);
  if (branch_scales.defined()) result.branch_scales = map(branch_scales, 0);
  return result;
}

std::vector<at::Tensor> PairBatch::tensors() const {
  std::vector<at::Tensor> all;
  mapped([&](const at::Tensor& tensor, std::int64_t) { return all.emplace_back(tensor); });
  return all;
}

PairBatch PairBatch::slice(std::int64_t begin, std::int64_t end) const {
  PairBatch part =
      mapped([&](const at::Tensor& tensor, std::int64_t row_axis) { return tensor.slice(row_axis, begin, end); });
  if (!lengths.empty()) part.lengths.assign(lengths.begin() + begin, lengths.begin() + end);
  return part;
}

double tokens_of(const PairBatch& batch) {
  if (batch.lengths.empty()) return static_cast<double>(batch.ids.size(1));
  return std::accumulate(batch.lengths.begin(), batch.lengths.end(), 0.0) / static_cast<double>(batch.lengths.size());
}

Encoded encode(const ClipModel& model, const PairBatch& batch) {
  const at::ScalarType compute = model.arena().parameter(0).scalar_type();
  const at::Tensor pixels = normalise_pixels(batch.images[0], model.config().norm, compute);  // [rows, 3, size, size]
  const at::Tensor text = batch.lengths.empty() ? model.encode_text(batch.ids, true)
                                                : model.encode_text(pack_captions(batch.ids, batch.lengths), true);
  Encoded rows{normalise_features(model.encode_image(pixels, batch.kept, true, branches_of(batch, 0))),
               normalise_features(text),
               {},
               batch.teacher};
  for (std::int64_t view = 1; view < batch.images.size(0); ++view) {
    rows.projections.push_back(model.encode_view(normalise_pixels(batch.images[view], model.config().norm, compute),
                                                 branches_of(batch, view)));  // [rows, image().width()]
  }
  return rows;
}

Encoded project_views(const ClipModel& model, Encoded rows) {
  for (at::Tensor& one : rows.projections) one = normalise_features(model.project_view(one));
  return rows;
}

Scales scales_of(const ClipModel& model) { return {model.logit_scale(), model.logit_bias()}; }

}  // namespace clip_hpc
