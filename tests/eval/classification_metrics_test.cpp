#include "clip_hpc/eval/classification_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace clip_hpc {
namespace {

TEST(ClassTally, CountsByHand) {
  ClassTally tally(6);
  tally.add(0, 0);
  tally.add(0, 3);
  tally.add(1, 4);
  tally.add(5, 5);
  const auto metrics = tally.metrics();
  EXPECT_DOUBLE_EQ(metrics.at("acc1"), 0.25);
  EXPECT_DOUBLE_EQ(metrics.at("acc5"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.at("mean_per_class_recall"), 0.5 / 3);
}

TEST(ClassTally, UnanswerableSamplesAreWrongAndOneClassMore) {
  ClassTally tally(3);
  tally.add(2, 0);
  tally.add_unanswerable();
  tally.add_unanswerable();
  const auto metrics = tally.metrics();
  EXPECT_DOUBLE_EQ(metrics.at("acc1"), 1.0 / 3);
  EXPECT_EQ(metrics.count("acc5"), 0U);
  EXPECT_DOUBLE_EQ(metrics.at("mean_per_class_recall"), 0.5);
}

TEST(ClassTally, AnswersMayBeOtherClassesThanTheSamples) {
  ClassTally mapped(2, 5);
  mapped.add(1, 4);
  EXPECT_DOUBLE_EQ(mapped.metrics().at("acc5"), 1);
  EXPECT_EQ(mapped.seen(1), 1);
  EXPECT_EQ(mapped.right(1), 0);
  ClassTally several(0, 3);  // right classes a sample
  several.add(2, 0);
  several.add(0, 1);
  EXPECT_EQ(several.metrics(), (std::map<std::string, double>{{"acc1", 0.5}}));
}

TEST(ClassTally, OfEqualScoresTheLowerClassComesFirst) {
  const at::Tensor scores = at::tensor({2.0, 2.0, 1.0, 0.0, 2.0, 3.0}, at::kDouble).view({2, 3});
  const std::vector<std::int64_t> lower{0, 2}, upper{1, 2};
  ClassTally a(3), b(3);
  add_scores(a, scores, lower);
  add_scores(b, scores, upper);
  EXPECT_DOUBLE_EQ(a.metrics().at("acc1"), 1.0);
  EXPECT_DOUBLE_EQ(b.metrics().at("acc1"), 0.5);
}

TEST(ClassTally, ScoresThatAreNoNumbersAreWrong) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor scores = at::tensor({nan, nan, nan, nan, nan, nan}, at::kDouble).view({1, 6});
  const std::vector<std::int64_t> labels{0};
  ClassTally tally(6);
  add_scores(tally, scores, labels);
  EXPECT_DOUBLE_EQ(tally.metrics().at("acc1"), 0);
  EXPECT_DOUBLE_EQ(tally.metrics().at("acc5"), 0);
}

}  // namespace
}  // namespace clip_hpc
