#include "clip_hpc/base/statistics.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

TEST(Statistics, MediansOfOddAndEvenNumbers) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(upper_median({3, 1, 2}), 2);
  EXPECT_EQ(upper_median({4, 1, 2, 3}), 3);
}

TEST(Statistics, MeanAndQuantiles) {
  const std::vector<double> values{1, 2, 3, 4, 10};
  EXPECT_EQ(mean(values), 4);
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, 0.45), 2);
  EXPECT_EQ(nearest_quantile(values, 0.45), 3);
  EXPECT_EQ(quantile(values, 1), 10);
}

TEST(Statistics, AreaUnderTheRocCurve) {
  EXPECT_EQ(area_under_roc({2, 3}, {0, 1}), 1);
  EXPECT_EQ(area_under_roc({0, 1}, {2, 3}), 0);
  EXPECT_EQ(area_under_roc({1, 1}, {1, 1, 1}), 0.5);
  EXPECT_DOUBLE_EQ(area_under_roc({0.1, 0.4, 0.35, 0.8}, {0.2, 0.4}), (0 + 1.5 + 1 + 2) / 8);
}

}  // namespace
}  // namespace clip_hpc
