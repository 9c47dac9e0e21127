#include "postprocess/points/robustness.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/expect_error.hpp"
#include "tests/postprocess/paper_study.hpp"

namespace clip_hpc {
namespace {

double logistic(double value) { return 1 / (1 + std::exp(-value)); }

TEST(Robustness, ALineIsFoundAgain) {
  std::vector<double> x, y, plain;
  for (const double logit : {-2.0, -1.0, 0.0, 0.5, 1.5}) {
    x.push_back(logistic(logit));
    y.push_back(logistic(1.2 * logit - 0.7));
    plain.push_back(0.8 * x.back() - 0.05);
  }
  const auto fit = fit_line(x, y, Scale::logit);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->slope, 1.2, 1e-9);
  EXPECT_NEAR(fit->intercept, -0.7, 1e-9);
  EXPECT_NEAR(fit->r2, 1, 1e-9);
  EXPECT_NEAR((*fit)(0.5), logistic(-0.7), 1e-9);
  const auto line = fit_line(x, plain, Scale::linear);
  EXPECT_NEAR(line->slope, 0.8, 1e-9);
  EXPECT_NEAR((*line)(0.5), 0.35, 1e-9);
  // By hand: (0, 0), (1, 1), (2, 0): slope 0, R² 0.
  const auto flat = fit_line(std::vector<double>{0, 1, 2}, std::vector<double>{0, 1, 0}, Scale::linear);
  EXPECT_NEAR(flat->slope, 0, 1e-12);
  EXPECT_NEAR(flat->intercept, 1.0 / 3, 1e-12);
  EXPECT_NEAR(flat->r2, 0, 1e-12);
}

TEST(Robustness, WhatHasNoLineIsNoFit) {
  EXPECT_FALSE(fit_line(std::vector<double>{0.1, 0.2}, std::vector<double>{0.1, 0.2}, Scale::logit));
  EXPECT_FALSE(fit_line(std::vector<double>{0.3, 0.3, 0.3}, std::vector<double>{0.1, 0.2, 0.3}, Scale::linear));
  // 0 and 1 have no logit.
  const std::vector<double> x{0, 0.2, 0.4, 1, 0.6}, y{0, 0.1, 0.3, 1, 0.5};
  EXPECT_EQ(fit_line(x, y, Scale::logit)->points, 3U);
  test::expect_error(ErrorKind::input, {"logit or linear"}, [] { scale_of("probit"); });
}

// Augmented runs of the synthetic study lie 0.3 logits above the line of the others.
TEST(Robustness, RunsBeyondTheLineOfTheBaseline) {
  const Roles roles = roles_of(measures_of(synthetic::table_of(synthetic::paper_cells())));
  ASSERT_EQ(roles.variants.size(), 6U);
  const Robustness sketch = robustness_of(roles.measures.at(Role::zeroshot), roles.variants[2], "clip", Scale::logit);
  EXPECT_EQ(sketch.set, "ImageNet-Sketch");
  EXPECT_EQ(sketch.baseline, "runs of clip");
  ASSERT_TRUE(sketch.fit);
  EXPECT_NEAR(sketch.fit->slope, 1.2, 1e-6);
  EXPECT_NEAR(sketch.fit->intercept, -0.5, 1e-6);
  std::size_t augmented = 0;
  for (const RobustPoint& point : sketch.points) {
    if (!point.run.strategy.starts_with("clip+")) {
      EXPECT_NEAR(point.beyond, 0, 1e-6);
    } else {
      const double logit = 1.2 * std::log(point.main / (1 - point.main)) - 0.5;
      EXPECT_NEAR(point.beyond, logistic(logit + 0.3) - logistic(logit), 1e-6);
      ++augmented;
    }
  }
  EXPECT_GT(augmented, 20U);
  const Robustness all = robustness_of(roles.measures.at(Role::zeroshot), roles.variants[2], "none", Scale::linear);
  EXPECT_EQ(all.baseline, "all runs");
  EXPECT_EQ(all.fit->points, all.points.size());
}

}  // namespace
}  // namespace clip_hpc
