#include "clip_hpc/ops/pixels.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

TEST(NormalisePixels, EqualsTheFormulaInBothTypes) {
  at::manual_seed(3);
  const at::Tensor bytes = at::randint(0, 256, {5, 3, 7, 9}, at::kByte);
  const PixelNorm norm{{0.1, 0.5, 0.9}, {0.2, 0.3, 0.4}};
  const auto per_channel = [](const std::array<double, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, at::kDouble).view({1, 3, 1, 1});
  };
  const at::Tensor expected = (bytes.to(at::kDouble) / 255.0 - per_channel(norm.mean)) / per_channel(norm.std);
  EXPECT_LT((normalise_pixels(bytes, norm, at::kFloat).to(at::kDouble) - expected).abs().max().item<double>(), 1e-5);
  const at::Tensor half = normalise_pixels(bytes, norm, at::kBFloat16);
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(half.to(at::kDouble).allclose(expected, 5e-3, 1e-2));
  // Bytes that do not lie in one piece take the other road to the same numbers.
  const at::Tensor strided = bytes.transpose(2, 3);
  EXPECT_LT((normalise_pixels(strided, norm, at::kFloat) - normalise_pixels(strided.contiguous(), norm, at::kFloat))
                .abs()
                .max()
                .item<double>(),
            1e-6);
}

}  // namespace
}  // namespace clip_hpc
