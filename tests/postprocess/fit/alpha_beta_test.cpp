#include "postprocess/fit/alpha_beta.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

const AlphaBeta kTruth{.ways = 2,
                       .shape = Shape::halving,
                       .between = {50e-6, 1e-9, true},
                       .within = {2e-6, 1e-10, true},
                       .rms = 0,
                       .samples = 0};

std::vector<LinkSample> samples_of(const AlphaBeta& truth, const std::vector<std::pair<int, int>>& sizes) {
  std::vector<LinkSample> samples;
  for (const auto& [ranks, nodes] : sizes) {
    for (double bytes = 1024; bytes < 1e8; bytes *= 4)
      samples.push_back({ranks, nodes, bytes, truth(ranks, nodes, bytes)});
  }
  return samples;
}

TEST(AlphaBeta, CostsByHand) {
  const auto expect_costs = [](Shape shape, double ways, int ranks, int nodes, double bytes,
                               std::array<double, 4> by_hand) {
    const auto costs = link_costs(shape, ways, ranks, nodes, bytes);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(costs[i], by_hand[i], 1e-9) << name_of(shape) << " " << i;
  };
  expect_costs(Shape::ring, 2, 4, 4, 1000, {6, 1500, 0, 0});
  expect_costs(Shape::ring, 1, 4, 1, 1000, {0, 0, 3, 750});
  expect_costs(Shape::halving, 2, 8, 4, 1000, {4, 1500, 2, 1000});
  expect_costs(Shape::halving, 2, 3, 3, 900, {4, 1200 + 1800, 0, 0});  // no power of two
  expect_costs(Shape::tree, 2, 8, 8, 1000, {6, 6000, 0, 0});
  expect_costs(Shape::tree, 1, 1, 1, 1000, {0, 0, 0, 0});
}

TEST(AlphaBeta, FindsLinksAndShapeAgainAndTellsALargerSize) {
  for (const Shape shape : {Shape::ring, Shape::halving, Shape::tree}) {
    AlphaBeta truth = kTruth;
    truth.shape = shape;
    truth.within = {};
    std::string why;
    const auto fit = fit_alpha_beta(2, samples_of(truth, {{2, 2}, {4, 4}, {8, 8}}), why);
    ASSERT_TRUE(fit) << why;
    EXPECT_EQ(fit->shape, shape);
    EXPECT_NEAR(fit->between.alpha_s, 50e-6, 1e-10);
    EXPECT_NEAR(fit->between.beta_s_per_byte, 1e-9, 1e-15);
    EXPECT_TRUE(fit->between.is_measured);
    EXPECT_FALSE(fit->within.is_measured);
    EXPECT_LT(fit->rms, 1e-6);
    EXPECT_NEAR((*fit)(64, 64, 1e6) / truth(64, 64, 1e6), 1, 1e-6);
  }
}

TEST(AlphaBeta, LinksWithinAndBetweenNodesAreToldApart) {
  std::string why;
  const auto fit = fit_alpha_beta(2, samples_of(kTruth, {{4, 1}, {8, 2}, {16, 4}}), why);
  ASSERT_TRUE(fit) << why;
  EXPECT_NEAR(fit->between.beta_s_per_byte, 1e-9, 1e-15);
  EXPECT_NEAR(fit->within.beta_s_per_byte, 1e-10, 1e-15);
  EXPECT_NEAR(fit->between.alpha_s, 50e-6, 1e-9);
  EXPECT_NEAR(fit->within.alpha_s, 2e-6, 1e-9);
}

TEST(AlphaBeta, OneMeasurementThatWentWrongDoesNotBendIt) {
  AlphaBeta truth = kTruth;
  truth.within = {};
  std::vector<LinkSample> samples = samples_of(truth, {{2, 2}, {4, 4}, {8, 8}});
  samples[8].time_s *= 20;
  samples[20].time_s *= 5;
  std::string why;
  const auto fit = fit_alpha_beta(2, samples, why);
  ASSERT_TRUE(fit) << why;
  EXPECT_NEAR((*fit)(64, 64, 1e7) / truth(64, 64, 1e7), 1, 0.02);
}

TEST(AlphaBeta, NoTermIsBelowZero) {
  // Small messages that are faster than the line allow for no latency at all.
  std::vector<LinkSample> samples;
  for (const double bytes : {1e3, 1e4, 1e5, 1e6}) samples.push_back({2, 2, bytes, 1e-9 * bytes - 5e-7});
  std::string why;
  const auto fit = fit_alpha_beta(2, samples, why);
  ASSERT_TRUE(fit) << why;
  EXPECT_EQ(fit->between.alpha_s, 0);  // without the limit it would be -5e-7
  EXPECT_GT(fit->between.beta_s_per_byte, 0);
}

TEST(AlphaBeta, TooLittleIsSaid) {
  std::string why;
  EXPECT_FALSE(fit_alpha_beta(2, {}, why));
  EXPECT_EQ(why, "fewer than 3 measurements on more than one rank");
  const std::vector<LinkSample> alone{{1, 1, 1e3, 1}, {1, 1, 1e4, 1}, {1, 1, 1e5, 1}};
  EXPECT_FALSE(fit_alpha_beta(2, alone, why));
  const std::vector<LinkSample> one_size{{2, 2, 1e3, 1}, {4, 4, 1e3, 1}, {8, 8, 1e3, 1}};
  EXPECT_FALSE(fit_alpha_beta(2, one_size, why));
  EXPECT_EQ(why, "all measurements are of one size");
}

}  // namespace
}  // namespace clip_hpc
