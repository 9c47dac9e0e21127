#include "clip_hpc/eval/heads/lbfgs.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

TEST(Lbfgs, FindsTheMinimumOfRosenbrocksValley) {
  Lbfgs search(at::tensor({-1.2, 1.0}, at::kDouble), {.tolerance = 1e-10});
  int asked = 0;
  while (!search.done()) {
    const double x = search.trial()[0].item<double>(), y = search.trial()[1].item<double>();
    const double rest = y - x * x;
    search.tell((1 - x) * (1 - x) + 100 * rest * rest,
                at::tensor({-2 * (1 - x) - 400 * x * rest, 200 * rest}, at::kDouble));
    ++asked;
  }
  EXPECT_TRUE(search.converged());
  EXPECT_NEAR(search.solution()[0].item<double>(), 1, 1e-8);
  EXPECT_NEAR(search.solution()[1].item<double>(), 1, 1e-8);
  EXPECT_LT(asked, 80);
}

TEST(Lbfgs, FindsTheMinimumOfABadlyScaledQuadratic) {
  const at::Tensor scales = at::logspace(-1, 1, 50, 10.0, at::kDouble), target = at::linspace(-2, 5, 50, at::kDouble);
  Lbfgs search(at::zeros({50}, at::kDouble), {.tolerance = 1e-9});
  while (!search.done()) {
    const at::Tensor rest = search.trial() - target;
    search.tell(0.5 * (scales * rest * rest).sum().item<double>(), scales * rest);
  }
  EXPECT_TRUE(search.converged());
  EXPECT_LT((search.solution() - target).abs().max().item<double>(), 1e-5);
}

TEST(Lbfgs, EndsAtTheLimitOfItsIterationsAndWhereNothingIsFinite) {
  Lbfgs limited(at::full({1}, 1.3, at::kDouble), {.max_iterations = 3, .tolerance = 0});
  while (!limited.done()) {
    const double x = limited.trial().item<double>();
    limited.tell(std::pow(x, 4), at::full({1}, 4 * std::pow(x, 3), at::kDouble));
  }
  EXPECT_EQ(limited.iterations(), 3);
  EXPECT_FALSE(limited.converged());
  Lbfgs lost(at::ones({1}, at::kDouble), {});
  lost.tell(std::nan(""), at::full({1}, std::nan(""), at::kDouble));
  EXPECT_TRUE(lost.done());
  EXPECT_FALSE(lost.converged());
}

}  // namespace
}  // namespace clip_hpc
