#include <gtest/gtest.h>

#include "clip_hpc/eval/ranking.hpp"
#include "tests/eval/ranking_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

TEST(RankingOnRanks, PlacesAreThoseOfOneRank) {
  test::Gallery gallery = test::gallery(300, 1100);
  gallery.images = gallery.images / 3;  // no whole numbers: rounding would show another order of sums
  const auto self = make_self_communicator();
  const auto all = make_mpi_communicator(test_world());
  EXPECT_EQ(places_of_own(*self, gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner),
            places_of_own(*all, gallery.images, gallery.texts, gallery.image_owner, gallery.text_owner));
  EXPECT_EQ(places_of_own(*self, gallery.texts, gallery.images, gallery.text_owner, gallery.image_owner),
            places_of_own(*all, gallery.texts, gallery.images, gallery.text_owner, gallery.image_owner));
}

}  // namespace
}  // namespace clip_hpc
