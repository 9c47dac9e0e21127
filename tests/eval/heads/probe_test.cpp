#include "clip_hpc/eval/heads/probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/data/data_fixtures.hpp"
#include "tests/eval/probe_fixtures.hpp"

namespace clip_hpc {
namespace {

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

at::Tensor one_hot(const Samples& samples, std::int64_t classes) {
  at::Tensor y = at::zeros({samples.x.size(0), classes}, at::kDouble);
  for (std::size_t i = 0; i < samples.y.size(); ++i) y[static_cast<std::int64_t>(i)][samples.y[i]] = 1.0;
  return y;
}

TEST(ProbeHeads, TheFirstStepOfSgdIsTheMeanGradientAtZero) {
  const Samples train = test::clouds(4, 10, 6, 1.0, 1);
  const std::vector<double> rates{0.5, 2};
  const ProbeHeads heads = train_heads({.method = "sgd", .epochs = 1, .batch = 40}, train, 4, rates);
  ASSERT_EQ(heads.weight.sizes(), (std::vector<std::int64_t>{2, 6, 4}));
  const at::Tensor expected = at::matmul(train.x.to(at::kDouble).t(), one_hot(train, 4) - 0.25) / 40;
  EXPECT_LT(largest(heads.weight[0] - 0.5 * expected), 1e-6);
  EXPECT_LT(largest(heads.weight[1] - 2 * expected), 1e-6);
  EXPECT_LT(largest(heads.bias), 1e-6);  // as many of each class
}

TEST(ProbeHeads, TheFirstStepOfAdamwDecaysAndMovesByItsRate) {
  const Samples train = test::clouds(4, 10, 6, 1.0, 1);
  const ProbeRecipe recipe{.method = "adamw", .epochs = 1, .batch = 40, .learning_rate = 0.01};
  const std::vector<double> decays{0, 10};
  const ProbeHeads heads = train_heads(recipe, train, 4, decays);
  // Both began at the same head w: w - 0.01 sign(g) and 0.9 w - 0.01 sign(g).
  const at::Tensor start = (heads.weight[0] - heads.weight[1]) / 0.1;
  EXPECT_LE(largest(start), 1 / std::sqrt(6.0) + 1e-5);
  EXPECT_GT(largest(start), 0.2);
  EXPECT_NEAR(largest(heads.weight[0] - start), 0.01, 1e-4);
  EXPECT_NEAR((heads.weight[0] - start).abs().min().item<double>(), 0.01, 1e-4);
}

TEST(ProbeHeads, LbfgsEndsWhereTheGradientIsZero) {
  const Samples train = test::clouds(5, 30, 7, 1.0, 2);
  const std::vector<double> cs{0.01, 1, 100};
  const ProbeHeads heads = train_heads({.method = "lbfgs", .tolerance = 1e-9}, train, 5, cs);
  const at::Tensor x = train.x.to(at::kDouble), y = one_hot(train, 5);
  for (std::int64_t m = 0; m < 3; ++m) {
    const at::Tensor rest = at::softmax(at::matmul(x, heads.weight[m]) + heads.bias[m], 1) - y;
    const at::Tensor gradient = at::matmul(x.t(), rest) * cs[static_cast<std::size_t>(m)] + heads.weight[m];
    EXPECT_LT(largest(gradient), 1e-9 * 150 * cs[static_cast<std::size_t>(m)] * 1.01);
    EXPECT_LT(largest(rest.sum(0)), 1e-9 * 150 * 1.01);  // the bias is not shrunk
  }
  EXPECT_GT(largest(heads.weight[2]), largest(heads.weight[0]));
}

TEST(ProbeHeads, LbfgsInSinglePrecisionEndsBesideTheMinimum) {
  const Samples train = test::clouds(5, 200, 7, 2.0, 2);
  const std::vector<double> cs{0.01, 1, 100};
  const ProbeHeads single = train_heads({.method = "lbfgs", .tolerance = 1e-6}, train, 5, cs);
  const ProbeHeads exact = train_heads({.method = "lbfgs", .tolerance = 1e-10}, train, 5, cs);
  EXPECT_LT(largest(single.weight - exact.weight), 1e-3 * largest(exact.weight));
  EXPECT_GT(largest(single.weight - exact.weight), 0);
}

TEST(ProbeHeads, MembersTogetherAreWhatTheyAreAlone) {
  const Samples train = test::clouds(6, 20, 8, 1.0, 3);
  const std::vector<double> values{0.003, 0.05, 0.7};
  for (const char* method : {"sgd", "adamw", "lbfgs"}) {
    const ProbeRecipe recipe{.method = method, .epochs = 5, .batch = 32, .tolerance = 1e-9};
    const ProbeHeads together = train_heads(recipe, train, 6, values);
    for (std::size_t m = 0; m < values.size(); ++m) {
      const ProbeHeads alone = train_heads(recipe, train, 6, std::span(values).subspan(m, 1));
      EXPECT_LT(largest(together.weight[static_cast<std::int64_t>(m)] - alone.weight[0]), 1e-5) << method << " " << m;
    }
  }
}

TEST(Probe, HoldsOutAShareOfEachClass) {
  const Samples samples = test::clouds(5, 11, 3, 1.0, 4);
  const auto [train, validation] = split_validation(samples, 5, 0.2, 0);
  EXPECT_EQ(train.y.size(), 45U);
  EXPECT_EQ(validation.y.size(), 10U);
  for (std::int64_t c = 0; c < 5; ++c) EXPECT_EQ(std::ranges::count(validation.y, c), 2);
  EXPECT_FALSE(at::equal(validation.x, split_validation(samples, 5, 0.2, 1).second.x));
  EXPECT_TRUE(split_validation(samples, 5, 0.05, 0).second.y.empty());
}

TEST(Probe, LearnsSeparateCloudsByAllRecipes) {
  const auto comm = make_self_communicator();
  const auto [train, validation] = split_validation(test::clouds(6, 40, 12, 0.4, 5), 6, 0.2, 0);
  const TestSamples test = test::test_clouds(6, 30, 12, 0.4, 6);
  for (const char* method : {"sgd", "adamw", "lbfgs"}) {
    const ProbeHead head = fit_probe(*comm, {.method = method, .batch = 64}, train, validation, 6);
    EXPECT_GT(head_metrics(head.weight, head.bias, test).at("acc1"), 0.97) << method;
    ASSERT_FALSE(head.trials.empty());
    for (const ProbeTrial& trial : head.trials) {  // nothing that was tried is better than what was chosen
      const auto chosen = std::ranges::find(head.trials, head.value, &ProbeTrial::value);
      ASSERT_NE(chosen, head.trials.end());
      EXPECT_LE(trial.acc1, chosen->acc1);
    }
  }
}

TEST(Probe, SearchesTheGridInHalvedSteps) {
  const auto comm = make_self_communicator();
  // Noise hides the clouds, so that a strong decay helps and the grid has a peak.
  const auto [train, validation] = split_validation(test::clouds(8, 30, 60, 6.0, 5), 8, 0.5, 0);
  const ProbeHead head = fit_probe(*comm, {.method = "lbfgs"}, train, validation, 8);
  ASSERT_GE(head.trials.size(), 11U);  // a peak at an end of the grid has one neighbour
  ASSERT_LE(head.trials.size(), 15U);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_NEAR(std::log10(head.trials[i].value), -6 + 2 * static_cast<double>(i), 1e-9);
  }
  // The eighth and ninth lie a whole decade, 8 of the 96 steps, beside the best of the seven.
  const auto seven = std::span(head.trials).first(7);
  const auto best = std::ranges::max_element(seven, {}, &ProbeTrial::acc1);
  EXPECT_NEAR(std::abs(std::log10(head.trials[7].value / best->value)), 1, 1e-9);
  EXPECT_EQ(head.chosen, "C");
}

TEST(Probe, WithoutValidationNothingIsChosen) {
  const auto comm = make_self_communicator();
  const Samples train = test::clouds(3, 10, 4, 0.5, 5), none{at::empty({0, 4}), {}};
  EXPECT_EQ(fit_probe(*comm, {.method = "adamw"}, train, none, 3).value, 0);  // as CLIP_benchmark
  EXPECT_EQ(fit_probe(*comm, {.method = "lbfgs", .values = {3}}, train, none, 3).value, 3);
  for (const char* method : {"sgd", "lbfgs"}) {
    test::expect_error(ErrorKind::input, {"no validation samples", "eval.probe_val_share"},
                       [&] { fit_probe(*comm, {.method = method}, train, none, 3); });
  }
}

TEST(Probe, WhatCannotBeLearntIsBadInput) {
  const auto comm = make_self_communicator();
  const Samples train = test::clouds(3, 10, 4, 0.5, 5), validation = test::clouds(3, 2, 4, 0.5, 6);
  const auto fit = [&](const ProbeRecipe& recipe, const Samples& samples, std::int64_t classes) {
    fit_probe(*comm, recipe, samples, validation, classes);
  };
  test::expect_error(ErrorKind::input, {"svm", "sgd, adamw or lbfgs"}, [&] { fit({.method = "svm"}, train, 3); });
  test::expect_error(ErrorKind::input, {"lr cannot be -1"}, [&] { fit({.values = {-1}}, train, 3); });
  test::expect_error(ErrorKind::input, {"C cannot be 0"}, [&] { fit({.method = "lbfgs", .values = {0}}, train, 3); });
  test::expect_error(ErrorKind::input, {"class 3 has no training sample"}, [&] { fit({}, train, 4); });
  test::expect_error(ErrorKind::input, {"label 2 is outside"}, [&] { fit({}, train, 2); });
  Samples broken = train;
  broken.x = train.x.clone();
  broken.x[0][0] = std::numeric_limits<float>::infinity();
  test::expect_error(ErrorKind::input, {"not finite"}, [&] { fit({}, broken, 3); });
}

TEST(Probe, ARateThatIsTooLargeIsNotChosen) {
  const auto comm = make_self_communicator();
  const auto [train, validation] = split_validation(test::clouds(6, 40, 12, 0.4, 5), 6, 0.2, 0);
  const ProbeHead head = fit_probe(*comm, {.values = {1e38, 0.1}, .epochs = 5}, train, validation, 6);
  EXPECT_EQ(head.value, 0.1);
  EXPECT_EQ(head.trials[0].acc1, 0);  // weights that are no numbers name nothing
}

}  // namespace
}  // namespace clip_hpc
