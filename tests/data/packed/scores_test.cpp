#include "clip_hpc/data/packed/scores.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "clip_hpc/data/packed/subset.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;
using test::make_set;
using test::TempFolder;

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

TEST(Scores, WrittenAndReadAgain) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 5, 2), other = make_set(folder / "other", 5, 3);
  const std::vector<float> scores{0.1F, -0.2F, kNone, 0.4F, 0.3F};
  const auto path = folder / "scores.h5";
  write_scores(path, *set, scores, {{"model", "ViT-B-32"}, {"step", 7}});
  const std::vector<float> back = read_scores(path, *set);
  ASSERT_EQ(back.size(), 5U);
  EXPECT_TRUE(std::isnan(back[2]));
  EXPECT_EQ(back[3], 0.4F);
  EXPECT_FALSE(std::filesystem::exists(folder / "scores.h5.part"));
  expect_error(ErrorKind::storage, {"scores of \"set\"", "other", "clip_hpc score"},
               [&] { read_scores(path, *other); });
  const auto size = std::filesystem::file_size(path);
  for (std::uint64_t at = size; at-- > size - 4;) test::flip_byte(path, at);  // the last number
  expect_error(ErrorKind::storage, {"scores.h5"}, [&] { read_scores(path, *set); });
}

TEST(Scores, TheBestShareDoesNotDependOnSharding) {
  const TempFolder folder;
  std::vector<float> scores;
  for (int i = 0; i < 100; ++i) scores.push_back(static_cast<float>(i * 37 % 50));  // each value twice
  const auto a = best_share(*make_set(folder / "a", 100, 30), scores, 0.3);
  EXPECT_EQ(a, best_share(*make_set(folder / "b", 100, 99), scores, 0.3));
  ASSERT_EQ(a.size(), 30U);
  EXPECT_TRUE(std::ranges::is_sorted(a));
  for (std::uint64_t id = 0; id < 100; ++id) {
    EXPECT_EQ(std::ranges::binary_search(a, id), scores[id] >= 35) << id;
  }
}

TEST(Scores, OfEqualOnesTheSmallerUidIsBetter) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 10, 4);
  const std::vector<float> scores(10, 0.5F);
  std::vector<std::uint64_t> order{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::ranges::sort(order, {}, [&](std::uint64_t id) { return set->uid(id); });
  order.resize(3);
  std::ranges::sort(order);
  EXPECT_EQ(best_share(*set, scores, 0.3), order);  // 0.3 of 10 are 3, not 2
}

TEST(Scores, SamplesWithoutAScoreAreNeverKept) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 4, 4);
  const std::vector<float> scores{kNone, 0.1F, kNone, 0.2F};
  EXPECT_EQ(best_share(*set, scores, 1), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(best_share(*set, scores, 0.25), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(at_least(scores, 0.15), (std::vector<std::uint64_t>{3}));
  EXPECT_TRUE(at_least(scores, 0.3).empty());
  expect_error(ErrorKind::input, {"nothing is left", "keep more"}, [&] { best_share(*set, scores, 0.2); });
}

TEST(Scores, ANumberIsDrawnFromWhatIsKept) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 200, 64);
  std::vector<float> scores;
  for (int i = 0; i < 200; ++i) scores.push_back(static_cast<float>(i));
  const auto best = best_share(*set, scores, 0.5);
  const auto drawn = draw_subset(*set, best, 20, 3), more = draw_subset(*set, best, 60, 3);
  EXPECT_EQ(drawn.size(), 20U);
  EXPECT_TRUE(std::ranges::includes(best, drawn));
  EXPECT_TRUE(std::ranges::includes(more, drawn));
  expect_error(ErrorKind::input, {"101", "kept", "100"}, [&] { draw_subset(*set, best, 101, 3); });
}

}  // namespace
}  // namespace clip_hpc
