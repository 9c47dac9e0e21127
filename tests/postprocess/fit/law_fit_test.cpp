#include "postprocess/fit/law_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/base/random.hpp"
#include "postprocess/fit/laws/saturating_law.hpp"

namespace clip_hpc {
namespace {

const SaturatingLaw kOnce{0.3, 0.25, 0.5, 1e8, 0, 1, 1};

std::vector<LawPoint> one_epoch_runs(double noise, std::uint64_t study) {
  RandomStream stream(11, Purpose::test, study);
  std::vector<LawPoint> points;
  for (double set = 1e7; set < 1.5e9; set *= 2) {
    points.push_back({set, set, kOnce(set, set) * std::exp(noise * stream.normal())});
  }
  return points;
}

LawFit drawn_fit(std::span<const LawPoint> points, int redraws, std::uint64_t seed) {
  std::string why;
  std::optional<LawFit> fit = fit_law(law_kind("saturating"), points, why);
  EXPECT_TRUE(fit) << why;
  const LawFit* one = &*fit;
  redraw(*fit, noise_of(std::span(&one, 1)), redraws, seed);
  return *fit;
}

TEST(LawFit, AFitSaysHowGoodItIs) {
  const LawFit fit = drawn_fit(one_epoch_runs(0, 0), 0, 0);
  EXPECT_FALSE(fit.repeats);
  EXPECT_LT(fit.rms, 0.002);
  EXPECT_GT(fit.r2, 0.999);
  EXPECT_EQ(fit.points.size(), 8U);
  EXPECT_EQ(fit.most_epochs, 1);
  ASSERT_TRUE(fit.held_out);
  EXPECT_EQ(fit.held_out->points, 1U);
  EXPECT_LT(fit.held_out->worst, 0.01);
}

// Of many studies with noise, the interval of a new run that is twice as long as any holds it as often as it says: 90
// %.
TEST(LawFit, IntervalsHoldTheTruth) {
  constexpr int kStudies = 60;
  int inside = 0;
  for (std::uint64_t study = 0; study < kStudies; ++study) {
    const LawFit fit = drawn_fit(one_epoch_runs(0.02, study), 60, study);
    const Interval interval = interval_of(fit, 2.5e9, 2.5e9);
    RandomStream stream(12, Purpose::test, study);
    const double truth = kOnce(2.5e9, 2.5e9) * std::exp(0.02 * stream.normal());
    EXPECT_LT(interval.low, interval.high);
    inside += interval.low <= truth && truth <= interval.high ? 1 : 0;
  }
  EXPECT_GE(inside, kStudies * 8 / 10);
  RecordProperty("inside", inside);
}

// A study whose points lie exactly on a law is not certain of more: seeds differ.
TEST(LawFit, NoNoiseIsNotBelieved) {
  const Interval interval = interval_of(drawn_fit(one_epoch_runs(0, 0), 100, 0), 1e9, 1e9);
  EXPECT_GT(interval.high / interval.low, 1.01);
}

TEST(LawFit, ALawThatMissesItsPointsIsNone) {
  std::string why;
  const std::vector<LawPoint> wild{{1e7, 1e7, 0.9}, {3e7, 3e7, 0.5}, {9e7, 9e7, 0.8}, {3e8, 3e8, 0.3}, {9e8, 9e8, 0.6}};
  EXPECT_FALSE(fit_law(law_kind("saturating"), wild, why));
  EXPECT_NE(why.find("of its 5 points by more than 10 %"), std::string::npos) << why;
  EXPECT_FALSE(fit_law(law_kind("saturating"), {}, why));
  EXPECT_EQ(why, "0 points, a curve takes 4");
}

TEST(LawFit, TheSamePointsGiveTheSameFit) {
  const auto points = one_epoch_runs(0.02, 0);
  const auto high = [&](std::uint64_t seed) { return interval_of(drawn_fit(points, 10, seed), 1e9, 1e9).high; };
  EXPECT_EQ(high(5), high(5));
  EXPECT_NE(high(5), high(6));
}

}  // namespace
}  // namespace clip_hpc
