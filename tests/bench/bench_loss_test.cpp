// What `clip_hpc bench loss` says of one rank whose others are simulated.
#include "clip_hpc/bench/bench_loss.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

constexpr std::int64_t kRows = 8, kGlobal = 64, kDim = 6;
constexpr double kProduct = kRows * kGlobal * kDim;  // multiply-adds of one of its matrix products

TEST(BenchLoss, BlocksGiveTheGradientOfAllColumns) {
  const std::vector<LossRate> rates = bench_loss(loss_term("softmax"), kGlobal, kRows, kDim, 24, 0.01, 1e9);
  ASSERT_EQ(rates.size(), 2U);
  EXPECT_EQ(rates[0].columns, 0);
  EXPECT_EQ(rates[0].macs, 3 * kProduct);
  EXPECT_EQ(rates[1].columns, 24);
  EXPECT_EQ(rates[1].macs, 4 * kProduct);  // the logits once more
  EXPECT_LT(rates[1].largest_difference, 1e-5);
  for (const LossRate& rate : rates) EXPECT_GT(rate.forward_ms + rate.backward_ms, 0);
}

// The texts of all ranks once; their gradients take no place of their own.
TEST(BenchLoss, ALargeBatchIsHeldOnce) {
  constexpr std::int64_t kRanks = 32, kTexts = 16, kWide = 512;
  const std::vector<LossRate> rates = bench_loss(loss_term("softmax"), kRanks * kTexts, kTexts, kWide, 8, 0.01, 1);
  ASSERT_EQ(rates.size(), 1U);
  const double rows_bytes = 4.0 * kTexts * kWide;
  EXPECT_GT(rates[0].peak_bytes, kRanks * rows_bytes);
  EXPECT_LT(rates[0].peak_bytes, (kRanks + 8) * rows_bytes);
}

TEST(BenchLoss, WhatDoesNotFitIsLeftOut) {
  const std::vector<LossRate> rates = bench_loss(loss_term("sigmoid"), kGlobal, kRows, kDim, 24, 0.01, 100);
  ASSERT_EQ(rates.size(), 1U);
  EXPECT_EQ(rates[0].columns, 24);
  EXPECT_EQ(rates[0].macs, 3 * kProduct);
}

}  // namespace
}  // namespace clip_hpc
