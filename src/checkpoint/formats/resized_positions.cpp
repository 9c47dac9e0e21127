#include "clip_hpc/checkpoint/formats/resized_positions.hpp"

#include <cmath>
#include <optional>

namespace clip_hpc {
namespace {

// The side of a square of so many patches.
std::optional<std::int64_t> side_of(std::int64_t patches) {
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  return patches > 0 && side * side == patches ? std::optional(side) : std::nullopt;
}

}  // namespace

at::Tensor resized_positions(const at::Tensor& values, const NamedShape& spec) {
  if (!spec.grid || values.dim() != std::ssize(spec.shape) || values.size(-1) != spec.shape.back()) return {};
  const std::int64_t width = values.size(-1), others = spec.grid->others;
  if (values.numel() % width != 0) return {};
  const at::Tensor rows = values.to(at::kFloat).reshape({-1, width});
  const std::optional<std::int64_t> side = side_of(rows.size(0) - others);
  if (!side) return {};
  const at::Tensor grid = rows.slice(0, others).reshape({1, *side, *side, width}).permute({0, 3, 1, 2});
  const std::int64_t to = spec.grid->side;
  const at::Tensor resized =
      at::_upsample_bicubic2d_aa(grid.contiguous(), {to, to}, /*align_corners=*/false, std::nullopt, std::nullopt);
  const at::Tensor patches = resized.permute({0, 2, 3, 1}).reshape({to * to, width});
  return at::cat({rows.slice(0, 0, others), patches}).reshape(spec.shape);
}

}  // namespace clip_hpc
