#include "clip_hpc/strategy/branch_draw.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace clip_hpc {
namespace {

TEST(BranchDraw, SkipsEachBranchAsOftenAsItsRateAndKeepsTheMean) {
  std::vector<std::uint64_t> rows(20000);
  std::iota(rows.begin(), rows.end(), 7);
  const std::vector<double> rates{0.0, 0.1, 0.5};
  const at::Tensor scales = draw_branch_scales(3, rows, rates);  // [rows, branches]
  ASSERT_EQ(scales.sizes(), (std::vector<std::int64_t>{20000, 3}));
  for (std::int64_t i = 0; i < 3; ++i) {
    const double rate = rates[static_cast<std::size_t>(i)];
    EXPECT_NEAR(scales.select(1, i).eq(0).to(at::kDouble).mean().item<double>(), rate, 0.015);
    EXPECT_NEAR(scales.select(1, i).to(at::kDouble).mean().item<double>(), 1.0, 0.03);
  }
  const at::Tensor skipped = scales.slice(1, 1).eq(0).to(at::kDouble);  // two branches: drawn apart
  EXPECT_NEAR(skipped.prod(1).mean().item<double>(), 0.05, 0.01);
}

TEST(BranchDraw, DependsOnSeedAndRowAlone) {
  const std::vector<double> rates(24, 0.3);
  const std::vector<std::uint64_t> all{0, 1, 2, 3}, some{2, 3};
  const at::Tensor whole = draw_branch_scales(5, all, rates);
  EXPECT_TRUE(at::equal(whole.slice(0, 2), draw_branch_scales(5, some, rates)));
  EXPECT_FALSE(at::equal(whole, draw_branch_scales(6, all, rates)));
  EXPECT_FALSE(at::equal(whole[0], whole[1]));
  EXPECT_FALSE(draw_branch_scales(5, all, {}).defined());
}

}  // namespace
}  // namespace clip_hpc
