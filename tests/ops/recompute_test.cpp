#include "clip_hpc/ops/recompute.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

// What lies below all that is trained has no backward pass, and is not computed again for one.
TEST(Recomputed, AFrozenPieceIsComputedOnce) {
  int calls = 0;
  const at::Tensor weight = at::full({3}, 2.0F), trained = at::full({3}, 5.0F).requires_grad_();
  const auto frozen = [&](const at::Tensor& x) {
    ++calls;
    return x * weight;
  };
  const at::Tensor below = recomputed(frozen, at::ones({3}));
  EXPECT_FALSE(below.requires_grad());
  const at::Tensor above = recomputed([&](const at::Tensor& x) { return x * trained; }, below);
  above.sum().backward();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(trained.grad().eq(2).all().item<bool>());
}

TEST(Recomputed, ATrainedPieceIsComputedAgain) {
  int calls = 0;
  const at::Tensor x = at::ones({3}).requires_grad_(), weight = at::full({3}, 2.0F).requires_grad_();
  const at::Tensor y = recomputed(
      [&](const at::Tensor& in) {
        ++calls;
        return in * weight;
      },
      x);
  y.sum().backward();
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(x.grad().eq(2).all().item<bool>() && weight.grad().eq(1).all().item<bool>());
}

}  // namespace
}  // namespace clip_hpc
