#include "postprocess/fit/power_law.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/random.hpp"

namespace clip_hpc {
namespace {

const PowerLaw kTruth{0.3, 0.2, 0.4, 1e8, 0.15, 0.7, 1e7};

// Sets of several sizes, seen once or up to a billion times in all; errors off by `noise` of their size.
std::vector<LawPoint> runs_of(const PowerLaw& law, double noise, bool repeats) {
  std::vector<LawPoint> points;
  RandomStream stream(3, Purpose::test, 0);
  for (const double set : {1e7, 3e7, 1e8, 3e8, 1e9}) {
    for (const double samples : repeats ? std::vector<double>{set, 1e9} : std::vector<double>{set}) {
      points.push_back({samples, set, law(samples, set) * std::exp(noise * stream.normal())});
    }
  }
  return points;
}

TEST(PowerLaw, ALawIsFoundAgain) {
  std::string why;
  const PowerLaw once{0.3, 0.25, 0.5, 1e8, 0, 1, 1};
  const auto points = runs_of(once, 0, false);
  const auto fit = fit_law(points, 20, 0, why);
  ASSERT_TRUE(fit) << why;
  EXPECT_FALSE(fit->repeats);
  EXPECT_LT(fit->rms, 0.002);
  EXPECT_NEAR(fit->law.alpha, 0.5, 0.02);
  EXPECT_NEAR(fit->law.floor, 0.3, 0.01);
  EXPECT_NEAR(fit->law(4e9, 4e9), once(4e9, 4e9), 0.01);  // beyond them
  ASSERT_TRUE(fit->held_out);
  EXPECT_EQ(fit->held_out->points, 1U);
  EXPECT_LT(fit->held_out->worst, 0.01);
}

TEST(PowerLaw, SamplesAndDataAreToldApart) {
  std::string why;
  const auto fit = fit_law(runs_of(kTruth, 0, true), 20, 0, why);
  ASSERT_TRUE(fit) << why;
  EXPECT_TRUE(fit->repeats);
  EXPECT_LT(fit->rms, 0.005);
  for (const auto& [samples, set] : {std::pair{5e8, 5e7}, {2e8, 2e8}, {2e9, 1e8}, {2e9, 2e9}}) {
    EXPECT_NEAR(fit->law(samples, set) / kTruth(samples, set), 1, 0.02) << samples << " " << set;
  }
}

TEST(PowerLaw, OneWildPointDoesNotBendTheCurve) {
  std::string why;
  const PowerLaw truth{0.3, 0.25, 0.5, 1e8, 0, 1, 1};
  auto points = runs_of(truth, 0, false);
  for (const double set : {5e7, 2e8, 6e8}) points.push_back({set, set, truth(set, set)});
  points[2].error *= 1.6;  // diverged
  const auto fit = fit_law(points, 0, 0, why);
  ASSERT_TRUE(fit) << why;
  EXPECT_NEAR(fit->law(3e8, 3e8) / truth(3e8, 3e8), 1, 0.03);
}

// Of many studies with noise, most intervals hold the truth.
TEST(PowerLaw, IntervalsHoldTheTruth) {
  const PowerLaw truth{0.3, 0.25, 0.5, 1e8, 0, 1, 1};
  int inside = 0, studies = 0;
  for (std::uint64_t study = 0; study < 40; ++study) {
    RandomStream stream(11, Purpose::test, study);
    std::vector<LawPoint> points;
    for (double set = 1e7; set < 1.5e9; set *= 2) {
      points.push_back({set, set, truth(set, set) * std::exp(0.02 * stream.normal())});
    }
    std::string why;
    const auto fit = fit_law(points, 60, study, why);
    ASSERT_TRUE(fit) << why;
    const Interval interval = interval_of(*fit, 1.2e9, 1.2e9);
    EXPECT_LT(interval.low, interval.high);
    inside += interval.low <= truth(1.2e9, 1.2e9) && truth(1.2e9, 1.2e9) <= interval.high ? 1 : 0;
    ++studies;
  }
  EXPECT_GE(inside, studies * 7 / 10);
}

TEST(PowerLaw, TooFewPointsAreRefusedWithTheReason) {
  std::string why;
  const auto all = runs_of(kTruth, 0, true);
  EXPECT_FALSE(fit_law(std::span(all).first(3), 0, 0, why));
  EXPECT_EQ(why, "3 points, a curve takes 4");
  EXPECT_FALSE(fit_law(std::span(all).first(5), 0, 0, why));
  EXPECT_NE(why.find("takes 6"), std::string::npos) << why;
  const std::vector<LawPoint> near{{1e8, 1e8, 0.5}, {1.5e8, 1.5e8, 0.5}, {2e8, 2e8, 0.4}, {3e8, 3e8, 0.4}};
  EXPECT_FALSE(fit_law(near, 0, 0, why));
  EXPECT_NE(why.find("varies by a factor of 4"), std::string::npos) << why;
}

// A study of four runs: three of as many samples, one of a quarter. Nothing tells what samples do to the error from
// what the size of the data does.
TEST(PowerLaw, WhatVariesAndIsNotFittedIsRefused) {
  std::string why;
  const std::vector<LawPoint> four{
      {28928, 28907, 0.852}, {115648, 28907, 0.403}, {115648, 14000, 0.408}, {115648, 7000, 0.443}};
  EXPECT_FALSE(fit_law(four, 0, 0, why));
  EXPECT_NE(why.find("takes 6"), std::string::npos) << why;
  const std::vector<LawPoint> half{{5e7, 5e7, 0.85}, {1e8, 5e7, 0.4}, {1e8, 1e7, 0.5}, {1e8, 2e6, 0.6}};
  EXPECT_FALSE(fit_law(half, 0, 0, why));
  EXPECT_NE(why.find("too little for a curve, too much to ignore"), std::string::npos) << why;
}

TEST(PowerLaw, ALawThatMissesItsPointsIsNone) {
  std::string why;
  const std::vector<LawPoint> wild{{1e7, 1e7, 0.9}, {3e7, 3e7, 0.5}, {9e7, 9e7, 0.8}, {3e8, 3e8, 0.3}, {9e8, 9e8, 0.6}};
  EXPECT_FALSE(fit_law(wild, 0, 0, why));
  EXPECT_NE(why.find("of its 5 points by more than 10 %"), std::string::npos) << why;
}

TEST(PowerLaw, TheSamePointsGiveTheSameFit) {
  std::string why;
  const auto points = runs_of(kTruth, 0.02, true);
  const auto a = fit_law(points, 10, 5, why), b = fit_law(points, 10, 5, why), c = fit_law(points, 10, 6, why);
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(interval_of(*a, 1e9, 1e8).high, interval_of(*b, 1e9, 1e8).high);
  EXPECT_NE(interval_of(*a, 1e9, 1e8).high, interval_of(*c, 1e9, 1e8).high);
}

}  // namespace
}  // namespace clip_hpc
