#include "postprocess/fit/series_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "clip_hpc/base/random.hpp"
#include "postprocess/fit/laws/repeated_law.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

using Truth = std::function<double(double samples, double set)>;

StudyMeasure study_of(const Truth& truth, double noise, std::uint64_t seed = 0) {
  StudyMeasure measure;
  RandomStream stream(seed, Purpose::test, 0);
  for (const auto& [tower, gmacs, worse] : {std::tuple{"S", 4.0, 1.1}, {"B", 16.0, 1.0}}) {
    for (const double set : {1e7, 4e7, 1.6e8}) {
      for (const double epochs : {1.0, 4.0, 16.0, 64.0}) {
        StudyPoint point;
        point.tower = tower;
        point.strategy = "clip";
        point.set = set;
        point.samples = set * epochs;
        point.gmacs = gmacs;
        point.error = worse * truth(point.samples, set) * std::exp(noise * stream.normal());
        measure.points.push_back(point);
      }
    }
  }
  return measure;
}

const LawScore& score_of(const LawChoice& choice, const std::string& law) {
  return *std::ranges::find_if(choice.scores, [&](const LawScore& one) { return one.kind->name == law; });
}

double power_of_both(double samples, double set) {
  return 0.2 + 0.2 * std::pow(samples / 1e8, -0.3) + 0.1 * std::pow(set / 1e7, -0.6);
}

double worth_less(double samples, double set) { return repeated_error({{{-0.3, 2}}, set, 0.05, 0.1}, samples); }

// Each study was made by a law, and that law predicts its hidden runs best.
TEST(SeriesFit, TheLawThatPredictsHiddenRunsBestIsUsed) {
  for (const auto& [truth, law] : {std::pair{Truth(power_of_both), "saturating"}, {Truth(worth_less), "repeated"}}) {
    const auto series = fit_series(study_of(truth, 0.002), 20);
    ASSERT_EQ(series.size(), 2U);
    const LawChoice choice = choose_law(series);
    EXPECT_TRUE(score_of(choice, law).is_used) << choice.why;
    EXPECT_TRUE(choice.why.starts_with(law)) << choice.why;
    EXPECT_LT(score_of(choice, law).held_out.mean, 0.04);
    EXPECT_GT(score_of(choice, law).held_out.points, 6U);
    for (const SeriesFit& one : series) {
      ASSERT_TRUE(one.fit) << one.why_not;
      EXPECT_STREQ(one.fit->kind->name, law);
    }
  }
}

TEST(SeriesFit, ALawIsUsedByName) {
  const auto series = fit_series(study_of(worth_less, 0), 5, "repeated_code");
  for (const SeriesFit& one : series) EXPECT_STREQ(one.fit->kind->name, "repeated_code");
  EXPECT_EQ(choose_law(series, "repeated_code").why, "repeated_code, as asked for");
  test::expect_error(ErrorKind::input, {"unknown law \"repaeted\"", "\"repeated\""},
                     [] { fit_series(study_of(worth_less, 0), 5, "repaeted"); });
}

TEST(SeriesFit, TooFewPointsToCheckAreSaid) {
  StudyMeasure few = study_of(power_of_both, 0);
  std::erase_if(few.points, [](const StudyPoint& p) { return p.set > 2e7; });  // 4 of each tower
  const auto series = fit_series(few, 5);
  EXPECT_EQ(choose_law(series).why, "saturating, unchecked: there are too few points to hold some out");
  std::erase_if(few.points, [](const StudyPoint& p) { return p.epochs() > 5; });
  const auto none = fit_series(few, 5);
  EXPECT_FALSE(none.front().fit);
  EXPECT_NE(none.front().why_not.find("2 points"), std::string::npos) << none.front().why_not;
  EXPECT_EQ(choose_law(none).why, "none of the laws can be fitted: too few points");
}

TEST(SeriesFit, TheFrontIsThatOfAllTowers) {
  const StudyMeasure measure = study_of(power_of_both, 0);
  const auto fronts = fit_fronts(measure, 20);
  ASSERT_EQ(fronts.size(), 1U);
  EXPECT_EQ(fronts[0].name, "all 2 towers, clip");
  ASSERT_TRUE(fronts[0].fit) << fronts[0].why_not;
  EXPECT_LT(fronts[0].fit->rms, 0.03);
  const LawPoint& largest = fronts[0].fit->points.back();
  EXPECT_NEAR((*fronts[0].fit)(largest.compute(), 0) / largest.error, 1, 0.05);
}

}  // namespace
}  // namespace clip_hpc
