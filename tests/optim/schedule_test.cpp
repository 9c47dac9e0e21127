#include "clip_hpc/optim/schedule.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

TEST(Schedule, WarmUpAndCosine) {
  OptimOptions options;
  options.lr = 2.0;
  options.warmup = 10;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10, 110), 2.0);
  EXPECT_NEAR(learning_rate(options, 60, 110), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(options, 110, 110), 0.0, 1e-12);
  EXPECT_EQ(warmup_steps(0.05, 200), 10);
}

}  // namespace
}  // namespace clip_hpc
