#include "postprocess/fit/laws/front_law.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace clip_hpc {
namespace {

double truth(double compute) { return 3 * std::pow(compute + 2e8, -0.2) + 0.1; }

// On the front, and worse runs of the same compute.
std::vector<LawPoint> runs() {
  std::vector<LawPoint> points;
  for (const double gmacs : {2.0, 8.0}) {
    for (double compute = 1e8; compute < 3e11; compute *= 2) {
      const bool best = (compute > 3e9) == (gmacs > 4);
      points.push_back({compute / gmacs, compute / gmacs, truth(compute) * (best ? 1 : 1.2), gmacs});
    }
  }
  return points;
}

TEST(FrontLaw, TheFrontIsFoundAndWorseRunsDoNotBendIt) {
  const LawKind kind = front_law();
  const auto points = runs(), front = pareto_front(points);
  ASSERT_EQ(front.size(), points.size() / 2);
  for (const LawPoint& p : front) EXPECT_NEAR(p.error, truth(p.compute()), 1e-12);
  ASSERT_EQ(kind.refusal(points), "");
  const Law law = kind.fit(points);
  for (const double compute : {2e8, 5e9, 2e11, 8e11}) {
    EXPECT_NEAR(kind.predict(law, {compute, compute, 0, 1}) / truth(compute), 1, 0.02) << compute;
  }
}

TEST(FrontLaw, ComputeIsSamplesTimesCost) {
  const LawKind kind = front_law();
  const Law law = kind.fit(runs());
  EXPECT_DOUBLE_EQ(kind.predict(law, {1e9, 1e9, 0, 8}), kind.predict(law, {4e9, 4e9, 0, 2}));
}

TEST(FrontLaw, AShortFrontIsRefused) {
  // Ten runs, of which the cheapest is best.
  std::vector<LawPoint> points;
  for (double samples = 1e8; samples < 1e11; samples *= 2) points.push_back({samples, samples, 0.4 + samples * 1e-12});
  EXPECT_EQ(front_law().refusal(points), "1 point, the front of compute takes 5");
}

}  // namespace
}  // namespace clip_hpc
