#include "clip_hpc/ops/group_norm.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace clip_hpc {
namespace {

std::vector<at::Tensor> outcome(const at::Tensor& y, const at::Tensor& pull, const std::vector<at::Tensor>& leaves) {
  for (const at::Tensor& leaf : leaves) leaf.mutable_grad() = at::Tensor();
  (y * pull).sum().backward();
  std::vector<at::Tensor> all{y.detach()};
  for (const at::Tensor& leaf : leaves) all.push_back(leaf.grad().clone());
  return all;
}

// Values and gradients against LibTorch's in fp64: channels that fill no block and several, places that fill no piece.
TEST(GroupNorm, EqualsLibTorchsInFp64) {
  at::manual_seed(5);
  for (const std::int64_t channels : {6, 32, 96}) {
    for (const std::int64_t side : {3, 9}) {
      for (const bool relu : {false, true}) {
        for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
          const auto leaf = [&](at::IntArrayRef sizes, double shift) {
            return (at::randn(sizes) + shift).to(type).requires_grad_();
          };
          const std::vector<at::Tensor> ours{leaf({3, side, side + 1, channels}, 2), leaf({channels}, 1),
                                             leaf({channels}, 0)};
          std::vector<at::Tensor> exact;
          for (const at::Tensor& one : ours) exact.push_back(one.detach().to(at::kDouble).requires_grad_());
          const at::Tensor pull = at::randn(ours[0].sizes()).to(type);
          const auto got = outcome(group_norm(ours[0], ours[1], ours[2], channels / 2, 1e-6, relu), pull, ours);
          const auto expected =
              outcome(group_norm_reference(exact[0], exact[1], exact[2], channels / 2, 1e-6, relu), pull, exact);
          const double limit = type == at::kFloat ? 2e-6 : 8e-3;
          for (std::size_t i = 0; i < got.size(); ++i) {
            EXPECT_EQ(got[i].scalar_type(), type);
            EXPECT_LT((got[i] - expected[i]).norm().item<double>(), limit * expected[i].norm().item<double>())
                << i << ", " << channels << " channels, side " << side << (relu ? ", relu" : "") << ", " << type;
          }
        }
      }
    }
  }
}

TEST(GroupNorm, OfEqualPlacesIsBetaAndFinite) {
  const at::Tensor x = at::full({2, 4, 4, 32}, 1000.0F).requires_grad_(), gamma = at::ones({32}).requires_grad_(),
                   beta = at::full({32}, 0.5F).requires_grad_();
  const auto got = outcome(group_norm(x, gamma, beta, 32, 1e-6, false), at::ones({2, 4, 4, 32}), {x, gamma, beta});
  EXPECT_LT((got[0] - 0.5).abs().max().item<double>(), 1e-3);
  for (const at::Tensor& one : got) EXPECT_TRUE(one.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace clip_hpc
