// Which phase a step belongs to, for runs of any length.
#include "clip_hpc/strategy/phases.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

TEST(Phases, EveryStepHasOneAndTheLastHoldsWhatRoundingLeaves) {
  const std::vector<Phase> phases{{.fraction_of_run = 0.95, .keep_fraction = 0.5}, {.fraction_of_run = 0.05}};
  for (const std::int64_t total : {1, 7, 20, 1000}) {
    std::int64_t first = 0;
    for (std::int64_t step = 0; step < total; ++step) {
      const Phase& phase = phase_at(phases, step, total);
      if (&phase == &phases[0]) {
        EXPECT_EQ(first, step) << "a phase comes back";
        first += 1;
      }
    }
    EXPECT_NEAR(static_cast<double>(first), 0.95 * static_cast<double>(total), 0.5) << total;
  }
  EXPECT_EQ(&phase_at(phases, 949, 1000), &phases[0]);
  EXPECT_EQ(&phase_at(phases, 950, 1000), &phases[1]);
}

TEST(Phases, ALearningRateOfItsOwnBeginsASchedule) {
  const std::vector<Phase> tuned{{.fraction_of_run = 0.8}, {.fraction_of_run = 0.2, .lr = 1e-5}};
  const Leg first = leg_at(tuned, 79, 100), second = leg_at(tuned, 80, 100);
  EXPECT_TRUE(first.begin == 0 && first.end == 80 && !first.lr);
  EXPECT_TRUE(second.begin == 80 && second.end == 100 && second.lr == 1e-5);
  const std::vector<Phase> through{{.fraction_of_run = 0.8}, {.fraction_of_run = 0.2}};
  for (const std::int64_t step : {0, 79, 80, 99}) {
    const Leg leg = leg_at(through, step, 100);
    EXPECT_TRUE(leg.begin == 0 && leg.end == 100 && !leg.lr) << step;
  }
}

TEST(Phases, BeginsAreWhereThePhaseChanges) {
  const std::vector<Phase> three{{.fraction_of_run = 0.3}, {.fraction_of_run = 0.3}, {.fraction_of_run = 0.4}};
  for (const std::int64_t total : {1, 3, 10, 101}) {
    const std::vector<std::int64_t> begins = phase_begins(three, total);
    ASSERT_EQ(begins.size(), 3U);
    EXPECT_EQ(begins[0], 0);
    for (std::int64_t step = 0; step < total; ++step) {
      const std::size_t expected = step >= begins[2] ? 2 : step >= begins[1] ? 1 : 0;
      EXPECT_EQ(&phase_at(three, step, total), &three[expected]) << step << " of " << total;
    }
  }
}

TEST(Phases, OnePhaseIsTheWholeRun) {
  const std::vector<Phase> one{{}};
  EXPECT_EQ(&phase_at(one, 0, 10), &one[0]);
  EXPECT_EQ(&phase_at(one, 9, 10), &one[0]);
}

TEST(Phases, ATowerWithoutPatchesKeepsNoneAndRefusesFlip) {
  EXPECT_EQ(Phase{}.kept_patches(0), 0);
  test::expect_error(ErrorKind::input, {"flip", "needs all of them"},
                     [] { Phase{.keep_fraction = 0.5}.kept_patches(0); });
}

}  // namespace
}  // namespace clip_hpc
