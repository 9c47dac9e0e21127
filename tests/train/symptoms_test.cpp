#include "clip_hpc/train/symptoms.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

constexpr SymptomLimits kLimits{.global_batch = 256, .total_steps = 1000};

MetricsLine line(double loss, double scale = 14.3, std::int64_t skipped = 0) {
  MetricsLine one;
  one.loss = loss;
  one.logit_scale = scale;
  one.skipped_steps = skipped;
  one.lr = 1e-3;
  return one;
}

TEST(Symptoms, AHealthyRunHasNone) {
  Symptoms symptoms(kLimits);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(symptoms.observe(line(5.5 - 0.04 * i, 14 + 0.1 * i, i / 40), 10).empty());
}

TEST(Symptoms, ALossThatStaysAtLogBatchIsToldOnceAndOnlyInARow) {
  Symptoms symptoms(kLimits);
  const double chance = std::log(256.0);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(symptoms.observe(line(chance + 0.01), 10).empty());
  EXPECT_TRUE(symptoms.observe(line(5.0), 10).empty());  // it moved
  std::size_t told = 0;
  for (int i = 0; i < 60; ++i) {
    for (const std::string& text : symptoms.observe(line(chance - 0.02), 10)) {
      EXPECT_EQ(i, 29);
      EXPECT_NE(text.find("ln(batch) = 5.55 for 300 steps"), std::string::npos) << text;
      ++told;
    }
  }
  EXPECT_EQ(told, 1U);
}

TEST(Symptoms, ALongRunMayBeginSlowly) {
  Symptoms symptoms({.global_batch = 256, .total_steps = 100000});
  for (int i = 0; i < 400; ++i) EXPECT_TRUE(symptoms.observe(line(std::log(256.0)), 10).empty());
}

TEST(Symptoms, TheSigmoidLossHasAnotherChance) {
  Symptoms symptoms({.global_batch = 256, .total_steps = 1000, .is_softmax = false});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(symptoms.observe(line(std::log(256.0)), 10).empty());
}

TEST(Symptoms, AScaleAtItsLimitHasTwoCauses) {
  Symptoms learnt(kLimits), fast(kLimits);
  const auto by_heart = learnt.observe(line(0.01, 100), 10);
  ASSERT_EQ(by_heart.size(), 1U);
  EXPECT_NE(by_heart[0].find("by heart"), std::string::npos);
  const auto early = fast.observe(line(4, 99.95), 10);
  ASSERT_EQ(early.size(), 1U);
  EXPECT_NE(early[0].find("optim.lr"), std::string::npos);
  EXPECT_TRUE(fast.observe(line(4, 100), 10).empty());
}

TEST(Symptoms, ASkippedStepIsNoStorm) {
  Symptoms symptoms(kLimits);
  EXPECT_TRUE(symptoms.observe(line(4, 10, 1), 10).empty());
  EXPECT_TRUE(symptoms.observe(line(4, 10, 3), 10).empty());
  const auto storm = symptoms.observe(line(4, 10, 7), 10);
  ASSERT_EQ(storm.size(), 1U);
  EXPECT_NE(storm[0].find("4 of the last 10 steps"), std::string::npos);
}

}  // namespace
}  // namespace clip_hpc
