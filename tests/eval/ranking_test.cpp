// Places against a count over the whole matrix of scores. Features are small whole numbers: scores are exact, and many
// are equal.
#include "clip_hpc/eval/ranking.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/eval/ranking_fixtures.hpp"

namespace clip_hpc {
namespace {

using Places = std::vector<std::int64_t>;

// The best own key's place in the list of all keys sorted by score, then index.
Places by_sorting(const at::Tensor& queries, const at::Tensor& keys, const Places& query_owner,
                  const Places& key_owner) {
  Places places;
  const at::Tensor scores = at::matmul(queries, keys.t());
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    std::vector<std::pair<float, std::int64_t>> order;
    for (std::int64_t k = 0; k < keys.size(0); ++k) order.emplace_back(-scores[q][k].item<float>(), k);
    std::sort(order.begin(), order.end());
    std::int64_t place = 0;
    const auto m = keys.size(0);
    while (place < m && key_owner[static_cast<std::size_t>(order[static_cast<std::size_t>(place)].second)] !=
                            query_owner[static_cast<std::size_t>(q)]) {
      ++place;
    }
    places.push_back(place);
  }
  return places;
}

TEST(Ranking, PlacesEqualASortOfAllScores) {
  const test::Gallery gallery = test::gallery(70, 2500);  // two blocks of queries, three of keys, both cut short
  const auto comm = make_self_communicator();
  const Places found = places_of_own(*comm, gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner);
  EXPECT_EQ(found, by_sorting(gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner));
  const Places back = places_of_own(*comm, gallery.texts, gallery.images, gallery.text_owner, gallery.image_owner);
  EXPECT_EQ(back, by_sorting(gallery.texts, gallery.images, gallery.text_owner, gallery.image_owner));
}

TEST(Ranking, OwnersInAnyOrderAreFound) {
  test::Gallery gallery = test::gallery(70, 1500);
  std::reverse(gallery.text_owner.begin(), gallery.text_owner.begin() + 1200);
  std::rotate(gallery.image_owner.begin(), gallery.image_owner.begin() + 30, gallery.image_owner.end());
  const auto comm = make_self_communicator();
  EXPECT_EQ(places_of_own(*comm, gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner),
            by_sorting(gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner));
}

TEST(Ranking, OfEqualScoresTheLowerIndexComesFirst) {
  const auto comm = make_self_communicator();
  const at::Tensor same = at::ones({12, 4});  // a collapsed model stays at chance
  Places owner(12);
  std::iota(owner.begin(), owner.end(), 0);
  EXPECT_EQ(places_of_own(*comm, same, same, owner, owner), owner);
  EXPECT_DOUBLE_EQ(recall_at(owner, 1), 1.0 / 12);
  EXPECT_DOUBLE_EQ(recall_at(owner, 5), 5.0 / 12);
  // two own keys of equal score: the first of them counts
  EXPECT_EQ(places_of_own(*comm, at::ones({1, 4}), same.slice(0, 0, 4), {7}, {1, 2, 7, 7}), Places{2});
}

TEST(Ranking, NoNumbersAndNoOwnKeyAreLast) {
  const auto comm = make_self_communicator();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor keys = at::tensor({1.0F, 2.0F, nan}, at::kFloat).unsqueeze(1);
  const at::Tensor query = at::ones({1, 1});
  EXPECT_EQ(places_of_own(*comm, query, keys, {9}, {0, 1, 2}), Places{3});
  EXPECT_EQ(places_of_own(*comm, query, keys, {2}, {0, 1, 2}), Places{3});
  EXPECT_EQ(places_of_own(*comm, at::full({1, 1}, nan), keys, {0}, {0, 1, 2}), Places{3});
  EXPECT_EQ(places_of_own(*comm, query, keys, {1}, {0, 1, 2}), Places{1});  // a key that is no number is not beaten
  EXPECT_DOUBLE_EQ(recall_at({}, 1), 0);
}

TEST(Ranking, BestKeysEqualAStableSort) {
  const test::Gallery gallery = test::gallery(9, 2500);
  const BestKeys best = best_keys(gallery.images, gallery.texts, 20);
  const at::Tensor scores = at::matmul(gallery.images, gallery.texts.t());
  const auto [values, indices] = scores.sort(/*stable=*/true, 1, /*descending=*/true);
  EXPECT_TRUE(at::equal(best.scores, values.slice(1, 0, 20)));
  EXPECT_TRUE(at::equal(best.indices, indices.slice(1, 0, 20)));
  EXPECT_EQ(best_keys(gallery.images, gallery.texts.slice(0, 0, 3), 20).indices.size(1), 3);
}

}  // namespace
}  // namespace clip_hpc
