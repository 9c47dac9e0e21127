#include "postprocess/fit/laws/saturating_law.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

const SaturatingLaw kTruth{0.3, 0.2, 0.4, 1e8, 0.15, 0.7, 1e7};

// Sets of several sizes, seen once or up to a billion times in all.
std::vector<LawPoint> runs_of(const SaturatingLaw& law, bool repeats) {
  std::vector<LawPoint> points;
  for (const double set : {1e7, 3e7, 1e8, 3e8, 1e9}) {
    for (const double samples : repeats ? std::vector<double>{set, 1e9} : std::vector<double>{set}) {
      points.push_back({samples, set, law(samples, set)});
    }
  }
  return points;
}

SaturatingLaw fitted(std::span<const LawPoint> points) { return saturating_of(saturating_law().fit(points)); }

TEST(SaturatingLaw, ALawIsFoundAgain) {
  const SaturatingLaw once{0.3, 0.25, 0.5, 1e8, 0, 1, 1};
  const auto points = runs_of(once, false);
  ASSERT_EQ(saturating_law().refusal(points), "");
  const SaturatingLaw law = fitted(points);
  EXPECT_NEAR(law.alpha, 0.5, 0.02);
  EXPECT_NEAR(law.floor, 0.3, 0.01);
  EXPECT_NEAR(law(4e9, 4e9), once(4e9, 4e9), 0.01);  // beyond them
}

TEST(SaturatingLaw, SamplesAndDataAreToldApart) {
  const SaturatingLaw law = fitted(runs_of(kTruth, true));
  for (const auto& [samples, set] : {std::pair{5e8, 5e7}, {2e8, 2e8}, {2e9, 1e8}, {2e9, 2e9}}) {
    EXPECT_NEAR(law(samples, set) / kTruth(samples, set), 1, 0.02) << samples << " " << set;
  }
}

TEST(SaturatingLaw, OneWildPointDoesNotBendTheCurve) {
  const SaturatingLaw truth{0.3, 0.25, 0.5, 1e8, 0, 1, 1};
  auto points = runs_of(truth, false);
  for (const double set : {5e7, 2e8, 6e8}) points.push_back({set, set, truth(set, set)});
  points[2].error *= 1.6;  // diverged
  EXPECT_NEAR(fitted(points)(3e8, 3e8) / truth(3e8, 3e8), 1, 0.03);
}

TEST(SaturatingLaw, TooFewPointsAreRefusedWithTheReason) {
  const auto all = runs_of(kTruth, true);
  const auto why = [](std::span<const LawPoint> points) { return saturating_law().refusal(points); };
  EXPECT_EQ(why(std::span(all).first(3)), "3 points, a curve takes 4");
  EXPECT_NE(why(std::span(all).first(5)).find("takes 6"), std::string::npos);
  const std::vector<LawPoint> near{{1e8, 1e8, 0.5}, {1.5e8, 1.5e8, 0.5}, {2e8, 2e8, 0.4}, {3e8, 3e8, 0.4}};
  EXPECT_NE(why(near).find("varies by a factor of 4"), std::string::npos);
}

// A study of four runs: three of as many samples, one of a quarter. Nothing tells what samples do to the error from
// what the size of the data does.
TEST(SaturatingLaw, WhatVariesAndIsNotFittedIsRefused) {
  const auto why = [](std::span<const LawPoint> points) { return saturating_law().refusal(points); };
  const std::vector<LawPoint> four{
      {28928, 28907, 0.852}, {115648, 28907, 0.403}, {115648, 14000, 0.408}, {115648, 7000, 0.443}};
  EXPECT_NE(why(four).find("takes 6"), std::string::npos);
  const std::vector<LawPoint> half{{5e7, 5e7, 0.85}, {1e8, 5e7, 0.4}, {1e8, 1e7, 0.5}, {1e8, 2e6, 0.6}};
  EXPECT_NE(why(half).find("too little for a curve, too much to ignore"), std::string::npos);
}

}  // namespace
}  // namespace clip_hpc
