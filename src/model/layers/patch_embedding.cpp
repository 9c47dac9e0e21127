#include "clip_hpc/model/layers/patch_embedding.hpp"

#include <ATen/core/grad_mode.h>

#include <cmath>

namespace clip_hpc {
namespace {

// pixels [batch, in, size, size] -> [batch, grid * grid, in * patch * patch], in the order of the kernel's weights.
at::Tensor to_patches(const at::Tensor& pixels, std::int64_t patch) {
  const std::int64_t batch = pixels.size(0), in = pixels.size(1), grid = pixels.size(2) / patch, side = grid * patch;
  if (patch == 1) return pixels.permute({0, 2, 3, 1}).reshape({batch, grid * grid, in});
  const at::Tensor whole = side == pixels.size(2) ? pixels : pixels.slice(2, 0, side).slice(3, 0, side).contiguous();
  return whole.view({batch, in, grid, patch, grid, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({batch, grid * grid, in * patch * patch});
}

}  // namespace

at::Tensor positions_at(const at::Tensor& positions, std::int64_t to) {
  const std::int64_t rows = positions.size(0), from = std::llround(std::sqrt(static_cast<double>(rows)));
  if (from == to) return positions;
  at::Tensor weights;  // [from * from, to * to]: what each position gives to the new ones
  {
    const at::NoGradGuard no_gradients;
    const at::Tensor each = at::eye(rows, positions.options().dtype(at::kFloat)).view({1, rows, from, from});
    weights = at::_upsample_bicubic2d_aa(each, {to, to}, /*align_corners=*/false, std::nullopt, std::nullopt)
                  .view({rows, to * to});
  }
  const at::ScalarType sums = positions.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::matmul(weights.to(sums).t(), positions.to(sums)).to(positions.scalar_type());
}

at::Tensor embedded_patches(const ParameterArena& arena, const Affine& stem, const at::Tensor& positions,
                            const at::Tensor& pixels, const std::optional<at::Tensor>& kept) {
  const std::int64_t patch = arena.specs()[stem.weight].shape[2];
  at::Tensor patches = to_patches(pixels, patch);
  if (!kept) return matrix_product(arena, stem, patches) + positions;
  const std::int64_t batch = pixels.size(0), n = kept->size(1);
  patches = patches.gather(1, kept->unsqueeze(-1).expand({batch, n, patches.size(2)}));
  return matrix_product(arena, stem, patches) + at::embedding(positions, *kept);
}

}  // namespace clip_hpc
