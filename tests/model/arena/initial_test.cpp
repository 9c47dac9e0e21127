#include "clip_hpc/model/arena/initial.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

at::Tensor drawn(const Distribution& distribution, std::uint64_t seed = 1, const std::string& name = "w") {
  const at::Tensor values = at::empty({20000}, at::kFloat);
  draw(distribution, seed, name, values);
  return values;
}

double deviation(const at::Tensor& values) { return values.to(at::kDouble).std().item<double>(); }

TEST(Initial, DependsOnSeedAndName) {
  EXPECT_TRUE(at::equal(drawn(normal(1)), drawn(normal(1))));
  EXPECT_FALSE(at::equal(drawn(normal(1)), drawn(normal(1), 2)));
  EXPECT_FALSE(at::equal(drawn(normal(1)), drawn(normal(1), 1, "v")));
}

TEST(Initial, DistributionsHaveTheirMoments) {
  EXPECT_TRUE(drawn(zeros()).eq(0).all().item<bool>());
  EXPECT_TRUE(drawn(ones()).eq(1).all().item<bool>());
  EXPECT_TRUE(drawn(constant(1e-6)).eq(1e-6F).all().item<bool>());
  EXPECT_NEAR(deviation(drawn(normal(0.02))), 0.02, 5e-4);
  EXPECT_NEAR(drawn(normal(0.02, 3)).mean().item<double>(), 3, 1e-3);
  const at::Tensor between = drawn(uniform(1, 3));
  EXPECT_GE(between.min().item<double>(), 1);
  EXPECT_LT(between.max().item<double>(), 3);
  EXPECT_NEAR(deviation(between), 2 / std::sqrt(12.0), 0.02);
  EXPECT_NEAR(deviation(drawn(kaiming_normal(50))), 0.2, 0.005);
  EXPECT_NEAR(drawn(xavier_uniform(20, 4)).abs().max().item<double>(), 0.5, 1e-3);
  EXPECT_NEAR(drawn(torch_linear(16)).abs().max().item<double>(), 0.25, 1e-3);
}

TEST(Initial, TruncatedNormalsEndAtTheirLimit) {
  const at::Tensor wide = drawn(truncated_normal(1));
  EXPECT_LE(wide.abs().max().item<double>(), 2);
  EXPECT_NEAR(deviation(wide), 0.8796, 0.02);
  // timm's limit is absolute: at 0.02 nothing is cut.
  EXPECT_TRUE(at::equal(drawn(truncated_normal(0.02)), drawn(normal(0.02))));
  const at::Tensor lecun = drawn(lecun_normal(25));
  EXPECT_NEAR(deviation(lecun), 0.2, 0.005);
  EXPECT_LE(lecun.abs().max().item<double>(), 2 * 0.2 / 0.8796);
}

}  // namespace
}  // namespace clip_hpc
