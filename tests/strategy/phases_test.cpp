// Which phase a step belongs to, for runs of any length.
#include "clip_hpc/strategy/phases.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

TEST(Phases, EveryStepHasOneAndTheLastHoldsWhatRoundingLeaves) {
  const std::vector<Phase> phases{{.fraction_of_run = 0.95, .keep_fraction = 0.5},
                                  {.fraction_of_run = 0.05, .lr_factor = 0.1}};
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
