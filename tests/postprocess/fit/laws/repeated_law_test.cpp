#include "postprocess/fit/laws/repeated_law.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

// The published parameters: deciles of DataComp's medium pool by T-MARS, ImageNet.
Mixture best_deciles(std::size_t count) {
  Mixture mixture{{{-0.16, 6.73}, {-0.125, 8.55}, {-0.10, 5.27}, {-0.085, 2.27}}, 12.8e6, 0.025, 0.1};
  mixture.pools.resize(count);
  return mixture;
}

// Accuracies, recomputed from these parameters: both forms, best 10 to 40 % of the data.
TEST(RepeatedLaw, PublishedParametersGiveTheirAccuracies) {
  const double seen[] = {32e6, 64e6, 128e6, 640e6};
  const double paper[4][4] = {{17.04, 15.54, 13.42, 11.68},
                              {22.73, 22.14, 19.78, 17.74},
                              {26.39, 27.72, 25.40, 23.15},
                              {28.58, 35.64, 34.93, 32.85}};
  const double code[4][4] = {{18.25, 15.84, 13.42, 11.68},
                             {24.62, 23.30, 20.40, 17.99},
                             {28.73, 29.60, 26.77, 24.13},
                             {31.18, 38.55, 37.57, 35.14}};
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t k = 0; k < 4; ++k) {
      const Mixture mixture = best_deciles(k + 1);
      EXPECT_NEAR(100 * (1 - repeated_error(mixture, seen[row])), paper[row][k], 0.006) << seen[row] << " " << k;
      EXPECT_NEAR(100 * (1 - repeated_error(mixture, seen[row], RepeatedForm::released_code)), code[row][k], 0.006)
          << seen[row] << " " << k;
    }
  }
}

// Of one pool, the fit is asked for what the definition says.
TEST(RepeatedLaw, ParametersAreFoundAgain) {
  for (const auto form : {RepeatedForm::paper, RepeatedForm::released_code}) {
    const LawKind kind = form == RepeatedForm::paper ? repeated_law() : repeated_code_law();
    std::vector<LawPoint> points;
    const auto truth = [&](double samples, double set) {
      return repeated_error({{{-0.2, 4}}, set, 0.05, 0.15}, samples, form);
    };
    for (const double set : {1e7, 4e7, 1.6e8}) {
      for (const double epochs : {1.0, 3.0, 10.0, 30.0}) {
        points.push_back({set * epochs, set, truth(set * epochs, set)});
      }
    }
    ASSERT_EQ(kind.refusal(points), "");
    const Law law = kind.fit(points);
    for (const LawPoint& at : std::vector<LawPoint>{{2e8, 2e7}, {6.4e8, 6.4e8}, {5e9, 1.6e8}, {2.5e7, 1e7}}) {
      EXPECT_NEAR(kind.predict(law, at) / truth(at.samples, at.set), 1, 0.02) << at.samples << " " << at.set;
    }
  }
}

TEST(RepeatedLaw, TooFewPointsAreRefused) {
  const LawKind kind = repeated_law();
  const std::vector<LawPoint> four{{1e7, 1e7, 0.8}, {4e7, 1e7, 0.7}, {4e7, 4e7, 0.65}, {1.6e8, 4e7, 0.6}};
  EXPECT_EQ(kind.refusal(four), "4 points, a curve of repeats takes 5");
  EXPECT_EQ(kind.refusal(std::span(four).first(3)), "3 points, a curve takes 4");
}

}  // namespace
}  // namespace clip_hpc
