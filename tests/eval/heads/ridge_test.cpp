#include "clip_hpc/eval/heads/ridge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/data/data_fixtures.hpp"
#include "tests/eval/probe_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(FewshotRows, AreOfEveryClassAndFewerArePartOfMore) {
  const Samples samples = test::clouds(7, 30, 4, 1.0, 1);
  const auto five = fewshot_rows(samples.y, 7, 5, 0);
  const auto ten = fewshot_rows(samples.y, 7, 10, 0);
  ASSERT_EQ(five.size(), 35U);
  ASSERT_EQ(ten.size(), 70U);
  for (std::size_t i = 0; i < five.size(); ++i)
    EXPECT_EQ(samples.y[static_cast<std::size_t>(five[i])], static_cast<std::int64_t>(i / 5));
  EXPECT_EQ(std::set(ten.begin(), ten.end()).size(), 70U);
  for (const std::int64_t row : five) EXPECT_NE(std::ranges::find(ten, row), ten.end());
  EXPECT_NE(five, fewshot_rows(samples.y, 7, 5, 1));
  EXPECT_EQ(five, fewshot_rows(samples.y, 7, 5, 0));
}

TEST(FewshotRows, AClassWithFewerSamplesGivesThemAll) {
  const std::vector<std::int64_t> labels{0, 1, 1, 1, 0};
  auto rows = fewshot_rows(labels, 2, 3, 4);
  std::ranges::sort(rows);
  EXPECT_EQ(rows, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

// The head in the coordinates in which it is shrunk solves the normal equations, in either form.
void expect_solves(std::int64_t each, std::int64_t dim, double l2) {
  const std::int64_t classes = 3;
  const Samples samples = test::clouds(classes, each, dim, 0.7, 3);
  const std::vector<double> strengths{1.0, l2};
  const RidgeHead head = fit_ridge(samples, classes, strengths)[1];
  const at::Tensor raw = samples.x.to(at::kDouble);
  const at::Tensor mean = raw.mean(0), deviation = (raw - mean).square().mean(0).sqrt() + 1e-5;
  const at::Tensor x = at::cat({(raw - mean) / deviation, at::full({raw.size(0), 1}, 100.0, at::kDouble)}, 1);
  const at::Tensor w = at::cat(
      {head.weight * deviation.unsqueeze(1), ((head.bias + at::matmul(mean, head.weight)) / 100.0).unsqueeze(0)}, 0);
  at::Tensor y = at::full({raw.size(0), classes}, -1.0, at::kDouble);
  for (std::int64_t i = 0; i < raw.size(0); ++i) y[i][samples.y[static_cast<std::size_t>(i)]] = 1.0;
  const at::Tensor rest = at::matmul(x.t(), at::matmul(x, w) - y) + l2 * w;
  EXPECT_LT(rest.abs().max().item<double>(), 1e-8 * at::matmul(x.t(), y).abs().max().item<double>());
}

TEST(Ridge, SolvesTheNormalEquations) {
  expect_solves(20, 8, 1024);  // more samples than features
  expect_solves(2, 40, 1024);  // fewer: the dual form
  expect_solves(3, 8, 0.5);    // as many, with the bias
}

TEST(Ridge, TwoPointsByHand) {
  // Standardised features are -1 and 1 (but for the floor of 1e-5), targets -1 and 1: the weight is 2 / (2 + l2).
  Samples samples{at::tensor({2.0, 6.0}, at::kFloat).view({2, 1}), {0, 1}};
  const std::vector<double> l2{2};
  const RidgeHead head = fit_ridge(samples, 2, l2)[0];
  EXPECT_NEAR(head.weight[0][1].item<double>(), 0.5 / 2, 1e-5);
  EXPECT_NEAR(head.bias[1].item<double>(), -4 * 0.5 / 2, 1e-5);
  EXPECT_NEAR(head.weight[0][0].item<double>(), -0.5 / 2, 1e-5);
}

TEST(Fewshot, MoreShotsKnowMoreAndSeedsAreReported) {
  const auto comm = make_self_communicator();
  const Samples train = test::clouds(12, 40, 10, 1.2, 5);
  const std::vector<TestSamples> tests{test::test_clouds(12, 50, 10, 1.2, 6), test::test_clouds(12, 5, 10, 0.01, 7)};
  const auto outcomes = evaluate_fewshot(*comm, train, 12, tests, {.shots = {1, 25}, .seeds = 2, .l2 = {10, 1000}});
  ASSERT_EQ(outcomes.size(), 8U);  // tests, shots, l2
  EXPECT_EQ(outcomes[0].shots, 1);
  EXPECT_EQ(outcomes[1].l2, 1000);
  EXPECT_EQ(outcomes[7].test, 1U);
  EXPECT_GT(outcomes[2].metrics.at("acc1"), outcomes[0].metrics.at("acc1") + 0.1);
  EXPECT_DOUBLE_EQ(outcomes[6].metrics.at("acc1"), 1.0);  // the centres themselves
  const auto& metrics = outcomes[0].metrics;
  EXPECT_NE(metrics.at("acc1_seed_0"), metrics.at("acc1_seed_1"));
  EXPECT_DOUBLE_EQ(metrics.at("acc1"), (metrics.at("acc1_seed_0") + metrics.at("acc1_seed_1")) / 2);
  EXPECT_GT(metrics.at("acc5"), metrics.at("acc1"));
}

TEST(Fewshot, OnlyTheClassesOfTheTestSetCompete) {
  const auto comm = make_self_communicator();
  const Samples train = test::clouds(12, 10, 4, 1.0, 5);
  TestSamples all = test::test_clouds(12, 40, 4, 1.0, 6), three = all;
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < all.samples.y.size(); ++i) {
    if (all.samples.y[i] >= 9) rows.push_back(static_cast<std::int64_t>(i));
  }
  three.samples = all.samples = take(all.samples, rows);
  three.columns = {11, 9, 10};
  for (std::int64_t& label : three.samples.y) label = label == 11 ? 0 : label - 8;
  const std::vector<TestSamples> tests{all, three};
  const auto outcomes = evaluate_fewshot(*comm, train, 12, tests, {.shots = {5}, .seeds = 1, .l2 = {10}});
  EXPECT_GT(outcomes[1].metrics.at("acc1"), outcomes[0].metrics.at("acc1"));
  EXPECT_EQ(outcomes[1].metrics.count("acc5"), 0U);
}

TEST(Fewshot, WhatCannotBeLearntIsBadInput) {
  const auto comm = make_self_communicator();
  const std::vector<TestSamples> tests{test::test_clouds(3, 4, 5, 1.0, 6)};
  const auto evaluate = [&](const Samples& train, std::int64_t classes) {
    evaluate_fewshot(*comm, train, classes, tests, {});
  };
  Samples train = test::clouds(3, 4, 5, 1.0, 5);
  test::expect_error(ErrorKind::input, {"class 3 has no training sample"}, [&] { evaluate(train, 4); });
  test::expect_error(ErrorKind::input, {"label 2 is outside the 2 classes"}, [&] { evaluate(train, 2); });
  test::expect_error(ErrorKind::input, {"holds no sample"}, [&] { evaluate({at::empty({0, 5}), {}}, 3); });
  test::expect_error(ErrorKind::input, {"width 5", "of 6"}, [&] { evaluate(test::clouds(3, 4, 6, 1.0, 5), 3); });
  train.x[2][1] = std::numeric_limits<float>::quiet_NaN();
  test::expect_error(ErrorKind::input, {"not finite", "older checkpoint"}, [&] { evaluate(train, 3); });
  const std::vector<double> l2{0};
  test::expect_error(ErrorKind::input, {"l2", "above 0"}, [&] { fit_ridge(test::clouds(3, 4, 5, 1.0, 5), 3, l2); });
}

}  // namespace
}  // namespace clip_hpc
