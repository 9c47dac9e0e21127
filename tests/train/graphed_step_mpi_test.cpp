#include "clip_hpc/train/graphed_step.hpp"

#include <gtest/gtest.h>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

PairBatch two_rows() {
  return {at::zeros({2, 3, 4, 4}, at::kByte), at::arange(10, at::kLong).view({2, 5}), std::nullopt, {}};
}

TEST(GraphedStep, WithoutADeviceEveryStepIsPlain) {
  int plain = 0;
  GraphedStep step(test_world(), {}, true, [&](const PairBatch& pairs) {
    plain += 1;
    return pairs.ids.sum();
  });
  EXPECT_NE(step.refusal(), "");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(step.run(two_rows()).item<std::int64_t>(), 45);
  EXPECT_EQ(plain, 6);
  EXPECT_EQ(step.graphs(), 0U);
  GraphedStep off(test_world(), {}, false, [](const PairBatch& pairs) { return pairs.ids.sum(); });
  EXPECT_EQ(off.refusal(), "");
}

}  // namespace
}  // namespace clip_hpc
