// Initial weights. A parameter says where it is declared what it draws from; it draws from a stream of its own, keyed
// by (seed, hash of its name): the values do not depend on the number of ranks, on the order of declaration, or on what
// else the model holds.
//   open_clip  open_clip's distributions (peers: CLIP.init_parameters, VisionTransformer, timm, torch defaults)
//   clip_hpc   larger token embeddings and smaller residual outputs: small models leave the plateau at ln(batch) sooner
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

namespace clip_hpc {

struct Distribution {
  enum class Kind { constant, normal, truncated_normal, uniform, sin_cos_2d } kind = Kind::constant;
  double a = 0, b = 0;  // the constant; mean and standard deviation; the bounds; the grid's side and the width
  double limit = 0;     // truncated: drawn again while farther than this from 0
};

Distribution constant(double value);
Distribution zeros();
Distribution ones();
Distribution normal(double deviation, double mean = 0);
Distribution truncated_normal(double deviation, double limit = 2);  // timm's limit: 2 whatever the deviation
Distribution uniform(double low, double high);
Distribution uniform(double half_width);  // [-half_width, half_width)

// Positions of a class token, which are 0, and of the patches of a square grid, as open_clip's pos_embed_type
// sin_cos_2d: [1 + side * side, width], sines and cosines of the column, then of the row. `width`: a multiple of 4.
Distribution sin_cos_2d(std::int64_t side, std::int64_t width);

// From the fans of a layer: inputs of one output, outputs of one input.
Distribution torch_linear(std::int64_t fan_in);  // torch's default of weights and biases
Distribution kaiming_normal(std::int64_t fan, double gain = 1.41421356237309515);  // gain / sqrt(fan); ReLU's is sqrt 2
Distribution xavier_uniform(std::int64_t fan_in, std::int64_t fan_out);
Distribution lecun_normal(std::int64_t fan_in);  // truncated at two deviations, as timm and flax draw it

// What a parameter begins with, in each scheme of model.init.
struct Initial {
  Distribution open_clip, clip_hpc;
  Initial(Distribution both = {}) : open_clip(both), clip_hpc(both) {}  // NOLINT(google-explicit-constructor)
  Initial(Distribution of_open_clip, Distribution of_clip_hpc) : open_clip(of_open_clip), clip_hpc(of_clip_hpc) {}
};

// Fills fp32 `values` from the stream of (seed, name).
void draw(const Distribution& distribution, std::uint64_t seed, const std::string& name, const at::Tensor& values);

}  // namespace clip_hpc
