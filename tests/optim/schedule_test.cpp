#include "clip_hpc/optim/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

TEST(Schedule, WarmUpAndCosine) {
  OptimOptions options;
  options.lr = 2.0;
  options.warmup = 10;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, {110}), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(options, 9, {110}), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10, {110}), 2.0);
  EXPECT_NEAR(learning_rate(options, 60, {110}), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(options, 110, {110}), 0.0, 1e-12);
}

TEST(Schedule, AWarmUpIsAShareOrStepsOrSamples) {
  OptimOptions options;
  options.warmup = 0.05;
  EXPECT_EQ(warmup_steps(options, {200, 16}), 10);
  options.warmup = 20;
  EXPECT_EQ(warmup_steps(options, {200, 16}), 20);
  options.warmup_samples = 65;  // goes before optim.warmup; a step that is begun is one
  EXPECT_EQ(warmup_steps(options, {200, 16}), 5);
  options.warmup_samples = 1000000;
  EXPECT_EQ(warmup_steps(options, {200, 16}), 200);
}

TEST(Schedule, RsqrtCountsStepsSinceTheWarmUp) {
  const OptimOptions options{.lr = 2.0, .warmup = 10, .schedule = "rsqrt", .rsqrt_timescale = 50};
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, {1000}), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10, {1000}), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 60, {1000}), 2.0 / std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(learning_rate(options, 160, {1000}), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 160, {200}), 1.0) << "the length of the run changes nothing";
}

TEST(Schedule, ACoolDownIsAShareOrStepsAndHasAShape) {
  OptimOptions options{.lr = 2.0, .warmup = 10, .schedule = "constant", .cooldown = 0.2};
  EXPECT_DOUBLE_EQ(learning_rate(options, 159, {200}), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 160, {200}), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 180, {200}), 1.0);
  EXPECT_NEAR(learning_rate(options, 199, {200}), 2.0 / 40, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(options, 200, {200}), 0.0);
  options.cooldown = 20;
  EXPECT_DOUBLE_EQ(learning_rate(options, 180, {200}), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 190, {200}), 1.0);
  options.cooldown_shape = "1-sqrt";
  EXPECT_DOUBLE_EQ(learning_rate(options, 185, {200}), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 196, {200}), 2.0 * (1 - std::sqrt(0.8)));
  options.schedule = "rsqrt";
  options.rsqrt_timescale = 175;
  EXPECT_DOUBLE_EQ(learning_rate(options, 185, {200}), 1.0 / std::sqrt(2.0)) << "it cools whatever schedule there is";
}

// Cool-downs of several lengths begin from checkpoints of one constant run.
TEST(Schedule, ACoolDownBranchesFromALongerConstantRun) {
  const OptimOptions constant{.warmup = 100, .schedule = "constant"};
  OptimOptions branch = constant;
  branch.cooldown = 50;
  for (const std::int64_t length : {300, 600, 1000}) {
    for (std::int64_t step = 0; step < length - 50; ++step) {
      ASSERT_EQ(learning_rate(branch, step, {length}), learning_rate(constant, step, {1000})) << step;
    }
    EXPECT_LT(learning_rate(branch, length - 49, {length}), constant.lr);
  }
}

TEST(Schedule, WhatDoesNotFitTheRunIsRefused) {
  OptimOptions options{.schedule = "constant"};
  const auto refuses = [&](std::initializer_list<std::string> texts) {
    test::expect_error(ErrorKind::input, texts, [&] { check_schedule(options, {100, 8}); });
  };
  options.warmup = 100;
  refuses({"optim.warmup = 100 steps", "the run has 100"});
  options.warmup_samples = 800;
  refuses({"optim.warmup_samples = 800", "100 steps", "the run has 100"});
  options.warmup_samples = 8;
  options.cooldown = 100;
  refuses({"optim.cooldown = 100", "1 steps", "the run has 100"});
  options.cooldown = 0.5;
  check_schedule(options, {100, 8});
  options.schedule = "cosine";
  refuses({"optim.schedule = cosine", "ends at 0", "constant or rsqrt"});
  options.cooldown = 0;
  check_schedule(options, {100, 8});
}

}  // namespace
}  // namespace clip_hpc
