// Few-shot regression and probes give the same numbers, to the last bit, for any number of ranks and on each of them.
#include <gtest/gtest.h>

#include "clip_hpc/eval/heads/probe.hpp"
#include "clip_hpc/eval/heads/ridge.hpp"
#include "tests/eval/probe_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

TEST(FewshotOnRanks, IsTheSame) {
  const auto self = make_self_communicator();
  const auto all = make_mpi_communicator(test_world());
  const Samples train = test::clouds(9, 30, 20, 1.5, 1);
  const std::vector<TestSamples> tests{test::test_clouds(9, 20, 20, 1.5, 2), test::test_clouds(9, 7, 20, 2.0, 3)};
  const FewshotOptions options{.shots = {1, 3, 25}, .seeds = 3, .l2 = {1, 1024}};
  const auto one = evaluate_fewshot(*self, train, 9, tests, options);
  const auto many = evaluate_fewshot(*all, train, 9, tests, options);
  ASSERT_EQ(one.size(), 12U);
  ASSERT_EQ(many.size(), one.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].metrics, many[i].metrics);
    EXPECT_EQ(one[i].shots, many[i].shots);
    EXPECT_EQ(one[i].l2, many[i].l2);
  }
}

// Few classes: all members of a sweep in one GEMM on one rank. Many: one member a rank.
class ProbeOnRanks : public testing::TestWithParam<std::int64_t> {};

TEST_P(ProbeOnRanks, IsTheSame) {
  const auto self = make_self_communicator();
  const auto all = make_mpi_communicator(test_world());
  const std::int64_t classes = GetParam();
  const auto [train, validation] = split_validation(test::clouds(classes, 5, 10, 1.0, 1), classes, 0.2, 0);
  for (const ProbeRecipe& recipe : {ProbeRecipe{.method = "sgd", .values = {0.01, 0.1, 1, 10, 100}, .epochs = 2},
                                    ProbeRecipe{.method = "adamw", .epochs = 2},
                                    ProbeRecipe{.method = "lbfgs", .values = {0.1, 1, 10}, .max_iterations = 10}}) {
    const ProbeHead one = fit_probe(*self, recipe, train, validation, classes);
    const ProbeHead many = fit_probe(*all, recipe, train, validation, classes);
    EXPECT_TRUE(at::equal(one.weight, many.weight)) << recipe.method;
    EXPECT_TRUE(at::equal(one.bias, many.bias)) << recipe.method;
    EXPECT_EQ(one.value, many.value) << recipe.method;
    ASSERT_EQ(one.trials.size(), many.trials.size()) << recipe.method;
    for (std::size_t i = 0; i < one.trials.size(); ++i) EXPECT_EQ(one.trials[i].acc1, many.trials[i].acc1);
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, ProbeOnRanks, testing::Values(5, 100, 300));

}  // namespace
}  // namespace clip_hpc
