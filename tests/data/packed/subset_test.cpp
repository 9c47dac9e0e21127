#include "clip_hpc/data/packed/subset.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;
using test::make_set;
using test::TempFolder;

TEST(Subset, SmallerLiesInsideLargerAndSpreadsEvenly) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 2000, 700);
  const auto small = draw_subset(*set, 100, 4);
  const auto large = draw_subset(*set, 1000, 4);
  EXPECT_EQ(small.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(small));
  EXPECT_TRUE(std::ranges::includes(large, small));
  EXPECT_NE(small, draw_subset(*set, 100, 5));
  EXPECT_NEAR(static_cast<double>(std::ranges::lower_bound(large, 1000U) - large.begin()), 500, 70);  // 3 sigma: 47
  EXPECT_EQ(draw_subset(*set, 2000, 4).size(), 2000U);
  expect_error(ErrorKind::input, {"2001", "2000"}, [&] { draw_subset(*set, 2001, 4); });
  expect_error(ErrorKind::input, {"0 samples"}, [&] { draw_subset(*set, 0, 4); });
}

TEST(Subset, DoesNotDependOnSharding) {
  const TempFolder folder;
  EXPECT_EQ(draw_subset(*make_set(folder / "a", 500, 100), 50, 1),
            draw_subset(*make_set(folder / "b", 500, 499), 50, 1));
}

TEST(Subset, FileRoundTripAndWrongSet) {
  const TempFolder folder;
  const auto set = make_set(folder / "mine", 300);
  const auto other = make_set(folder / "other", 301);
  const auto ids = draw_subset(*set, 30, 1);
  const std::filesystem::path path = folder / "subset.h5";
  write_subset(path, *set, ids);
  EXPECT_EQ(read_subset(path, *set), ids);
  expect_error(ErrorKind::storage, {"mine", "other", "clip_hpc filter"}, [&] { read_subset(path, *other); });
  expect_error(ErrorKind::internal, {"ascend"}, [&] { write_subset(path, *set, {3, 3}); });
  expect_error(ErrorKind::input, {"no sample"}, [&] { write_subset(path, *set, {}); });
  expect_error(ErrorKind::input, {"300"}, [&] { write_subset(path, *set, {300}); });
  write_file_atomic(path, "no HDF5");
  expect_error(ErrorKind::storage, {"subset.h5"}, [&] { read_subset(path, *set); });
  expect_error(ErrorKind::storage, {"does not exist"}, [&] { read_subset(folder / "none.h5", *set); });
}

}  // namespace
}  // namespace clip_hpc
