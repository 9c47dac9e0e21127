// This rank's rows of one step, as the towers read them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/clip_model.hpp"

namespace clip_hpc {

struct PairBatch {
  at::Tensor images;                  // [views, rows, 3, size, size] uint8; the first view meets the text
  at::Tensor ids;                     // [rows, tokens] int64
  std::optional<at::Tensor> kept;     // [rows, kept] int64: patches that stay; none: all of them
  std::vector<std::int32_t> lengths;  // [rows] tokens of each caption; empty: captions are not packed
  at::Tensor branch_scales = {};      // [rows, views * branches] fp32, or undefined: stochastic depth's draw
  at::Tensor teacher = {};            // [rows, 2 * its embed_dim] fp32, or undefined: a teacher's features

  std::int64_t rows() const { return ids.size(0); }

  // The one list of a batch's tensors: the same batch with each of them replaced. `row_axis`: which axis counts rows.
  using Map = std::function<at::Tensor(const at::Tensor& tensor, std::int64_t row_axis)>;
  PairBatch mapped(const Map& map) const;
  std::vector<at::Tensor> tensors() const;  // in that list's order
  PairBatch slice(std::int64_t begin, std::int64_t end) const;
};

double tokens_of(const PairBatch& batch);  // that the text tower computes for a caption, on average

// Features of the rows. `projections` holds what the image tower makes of each further view, [rows, image().width()];
// project_views puts the head behind it. They are two, since the head's BatchNorm looks at the whole batch.
Encoded encode(const ClipModel& model, const PairBatch& batch);
Encoded project_views(const ClipModel& model, Encoded rows);
Scales scales_of(const ClipModel& model);

}  // namespace clip_hpc
