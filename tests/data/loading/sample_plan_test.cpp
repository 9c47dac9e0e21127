#include "clip_hpc/data/loading/sample_plan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

std::vector<std::uint64_t> epoch_order(const SamplePlan& plan, std::uint64_t epoch) {
  std::vector<std::uint64_t> order(plan.count());
  for (std::uint64_t i = 0; i < plan.count(); ++i) order[i] = plan.sample_at(epoch * plan.count() + i);
  return order;
}

TEST(SamplePlan, EveryEpochHoldsEverySampleOnce) {
  for (const std::uint64_t count : {1U, 2U, 3U, 255U, 256U, 257U, 10007U, 16384U, 16385U, 100000U}) {
    for (const std::uint64_t window : {1U, 3U, 64U}) {
      const SamplePlan plan({.count = count, .seed = 5, .global_batch = 7, .window_blocks = window});
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<bool> seen(count, false);
        for (const std::uint64_t sample : epoch_order(plan, epoch)) {
          ASSERT_LT(sample, count);
          ASSERT_FALSE(seen[sample]) << "sample " << sample << " twice, count " << count << " epoch " << epoch;
          seen[sample] = true;
        }
      }
    }
  }
}

TEST(SamplePlan, EpochsAndSeedsDiffer) {
  const SamplePlan plan({.count = 10007, .seed = 1});
  const auto first = epoch_order(plan, 0);
  const auto agreeing = [&](const std::vector<std::uint64_t>& other) {
    int same = 0;
    for (std::size_t i = 0; i < first.size(); ++i) same += first[i] == other[i] ? 1 : 0;
    return same;
  };
  EXPECT_EQ(agreeing(epoch_order(plan, 0)), 10007);
  EXPECT_LT(agreeing(epoch_order(plan, 1)), 12);  // a random order agrees in one place on average
  EXPECT_LT(agreeing(epoch_order(SamplePlan({.count = 10007, .seed = 2}), 0)), 12);
}

TEST(SamplePlan, GlobalBatchDoesNotChangeTheOrder) {
  const SamplePlan small({.count = 5000, .seed = 3, .global_batch = 8});
  const SamplePlan large({.count = 5000, .seed = 3, .global_batch = 1000});
  for (std::uint64_t i = 0; i < 12000; ++i) ASSERT_EQ(small.sample_at(i), large.sample_at(i));
}

TEST(SamplePlan, WithoutShuffleCountsUpAndWraps) {
  const SamplePlan plan({.count = 300, .shuffle = false});
  EXPECT_EQ(plan.sample_at(299), 299U);
  EXPECT_EQ(plan.sample_at(301), 1U);
  EXPECT_EQ(plan.epoch_of(301), 1U);
}

// Neighbours in the order must be about as far apart as in a full shuffle (a third of the set), and batches must be
// spread over a window; a plan that only permutes blocks fails both.
TEST(SamplePlan, ShufflesNearlyLikeAFullShuffle) {
  const std::uint64_t count = 100000;
  const auto order = epoch_order(SamplePlan({.count = count, .seed = 11}), 0);
  double distance = 0, displacement = 0;
  int neighbours = 0;
  for (std::uint64_t i = 0; i + 1 < count; ++i) {
    const double gap = std::abs(static_cast<double>(order[i + 1]) - static_cast<double>(order[i]));
    distance += gap;
    neighbours += gap == 1 ? 1 : 0;
    displacement += std::abs(static_cast<double>(order[i]) - static_cast<double>(i));
  }
  const double n = static_cast<double>(count);
  EXPECT_NEAR(distance / n / n, 1.0 / 3, 0.03);
  EXPECT_NEAR(displacement / n / n, 1.0 / 3, 0.05);
  EXPECT_LT(neighbours, 20);  // a full shuffle has 2 on average, a window of 16384 about 12

  // The mean of a batch of 4096 samples lies near the middle of the set: 64 blocks of 256 scatter it by about 0.036.
  for (std::uint64_t batch = 0; batch + 4096 <= count; batch += 4096) {
    double mean = 0;
    for (std::uint64_t i = 0; i < 4096; ++i) mean += static_cast<double>(order[batch + i]) / 4096 / n;
    EXPECT_NEAR(mean, 0.5, 0.15) << "batch at " << batch;
  }
}

TEST(SamplePlan, TheShortBlockMovesAround) {
  const SamplePlan plan({.count = 256 * 100 + 10, .seed = 1, .window_blocks = 1});
  std::vector<std::uint64_t> places;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    const auto order = epoch_order(plan, epoch);
    for (std::uint64_t i = 0; i < order.size(); ++i) {
      if (order[i] == 256 * 100 + 3) places.push_back(i / 256);
    }
  }
  EXPECT_FALSE(places[0] == places[1] && places[1] == places[2] && places[2] == places[3]);
}

TEST(SamplePlan, RankSlicesPartitionTheBatch) {
  for (const std::uint64_t batch : {1U, 5U, 64U, 1000U}) {
    for (const std::uint64_t world : {1U, 3U, 7U, 64U}) {
      std::uint64_t next = 0;
      for (std::uint64_t rank = 0; rank < world; ++rank) {
        const Slice slice = rank_slice(batch, world, rank);
        EXPECT_EQ(slice.begin, next);
        EXPECT_EQ(slice.size(), batch / world + (rank < batch % world ? 1 : 0));
        next = slice.end;
      }
      EXPECT_EQ(next, batch);
    }
  }
}

TEST(SamplePlan, RefusesEmptySets) {
  EXPECT_THROW(SamplePlan({.count = 0}), Error);
  EXPECT_THROW(SamplePlan({.count = 1, .global_batch = 0}), Error);
  EXPECT_THROW(rank_slice(8, 2, 2), Error);
}

}  // namespace
}  // namespace clip_hpc
