#include "clip_hpc/train/graphed_step.hpp"

#include <gtest/gtest.h>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

PairBatch two_rows() {
  return {at::zeros({1, 2, 3, 4, 4}, at::kByte), at::arange(10, at::kLong).view({2, 5}), std::nullopt, {}};
}

TEST(GraphedStep, WithoutADeviceEveryStepIsPlain) {
  std::int64_t sum = 0;
  GraphedStep step(test_world(), {}, true,
                   [&](const PairBatch& pairs) { sum += pairs.ids.sum().item<std::int64_t>(); });
  EXPECT_NE(step.refusal(), "");
  for (int i = 0; i < 6; ++i) step.run(two_rows());
  EXPECT_EQ(sum, 6 * 45);
  EXPECT_EQ(step.graphs(), 0U);
  GraphedStep off(test_world(), {}, false, [](const PairBatch&) {});
  EXPECT_EQ(off.refusal(), "");
}

}  // namespace
}  // namespace clip_hpc
