// What follows a step, for every combination of what may be due.
#include "clip_hpc/train/cadence.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

constexpr std::int64_t kBatch = 10;

Progress after(std::int64_t step, std::int64_t total = 100) { return {step, step * kBatch, total}; }

TEST(Cadence, AnOrdinaryStepDoesNothing) {
  const Decision next = decide({.global_batch = kBatch}, after(3), {});
  EXPECT_FALSE(next.save || next.evaluate || next.stop);
}

TEST(Cadence, SavesByStepsWhenAskedAndAtTheEnd) {
  const Cadence every_4{.global_batch = kBatch, .save_every_steps = 4};
  for (std::int64_t step = 1; step <= 100; ++step) {
    EXPECT_EQ(decide(every_4, after(step), {}).save, step % 4 == 0) << step;
    EXPECT_TRUE(decide(every_4, after(step), {.save = true}).save) << step;
    EXPECT_EQ(decide({.global_batch = kBatch}, after(step), {}).save, step == 100) << step;
  }
}

TEST(Cadence, SavesAtTheStepsThatAreNamed) {
  Cadence cadence;
  cadence.save_at_steps = {3, 7};
  for (const std::int64_t step : {1, 3, 4, 7, 8}) {
    EXPECT_EQ(decide(cadence, {.step = step, .total_steps = 10}, {}).save, step == 3 || step == 7) << step;
  }
}

TEST(Cadence, AStopSavesAndLeavesTheEvaluationToTheNextSession) {
  const Cadence both{.global_batch = kBatch, .save_every_steps = 5, .evaluate_at_checkpoints = true};
  const Decision next = decide(both, after(5), {.stop = true});
  EXPECT_TRUE(next.save);
  EXPECT_TRUE(next.stop);
  EXPECT_FALSE(next.evaluate);
  EXPECT_TRUE(decide(both, after(3), {.stop = true}).save);
}

TEST(Cadence, RanksAreComparedEverySoManyStepsAndAtTheEnd) {
  const Cadence every_30{.global_batch = kBatch, .check_ranks_every_steps = 30};
  for (const std::int64_t step : {1, 29, 30, 60, 99, 100}) {
    EXPECT_EQ(decide(every_30, after(step), {}).check_ranks, step % 30 == 0 || step == 100) << step;
    EXPECT_FALSE(decide({.global_batch = kBatch}, after(step), {}).check_ranks);
  }
}

TEST(Cadence, TheLastStepIsNotStopped) {
  const Decision last = decide({.global_batch = kBatch, .evaluate_at_checkpoints = true}, after(100), {.stop = true});
  EXPECT_TRUE(last.save);
  EXPECT_FALSE(last.stop);
  EXPECT_FALSE(last.evaluate);  // follows the loop
}

TEST(Cadence, EvaluatesWhereAMultipleOfSamplesWasPassed) {
  const Cadence every_25{.global_batch = kBatch, .evaluate_every_samples = 25};
  const auto is_due = [&](std::int64_t step) { return evaluation_is_due(every_25, after(step), false); };
  EXPECT_FALSE(is_due(0));
  EXPECT_FALSE(is_due(2));  // 20 samples
  EXPECT_TRUE(is_due(3));   // 30: passed 25
  EXPECT_FALSE(is_due(4));
  EXPECT_TRUE(is_due(5));  // 50
  EXPECT_FALSE(is_due(100));
}

TEST(Cadence, EvaluatesAtCheckpointsOnlyWhereThereIsOne) {
  const Cadence at_checkpoints{.global_batch = kBatch, .save_every_steps = 4, .evaluate_at_checkpoints = true};
  EXPECT_TRUE(decide(at_checkpoints, after(4), {}).evaluate);
  EXPECT_FALSE(decide(at_checkpoints, after(5), {}).evaluate);
  EXPECT_TRUE(decide(at_checkpoints, after(5), {.save = true}).evaluate);
  EXPECT_FALSE(decide({.global_batch = kBatch, .save_every_steps = 4}, after(4), {}).evaluate);
}

}  // namespace
}  // namespace clip_hpc
