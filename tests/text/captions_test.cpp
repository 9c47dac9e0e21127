#include "clip_hpc/text/captions.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

std::vector<std::int64_t> cut(const std::vector<std::int32_t>& ids, std::int64_t rows, std::int64_t width) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(rows * width));
  copy_trimmed(ids, rows, out);
  return out;
}

TEST(Captions, AreCutAtTheLongest) {
  const std::vector<std::int32_t> ids{5, 6, 2, 2, 2, 7, 2, 2, 2, 2}, lengths{3, 2};
  EXPECT_EQ(trimmed_width(lengths, 5), 3);
  EXPECT_EQ(cut(ids, 2, 3), (std::vector<std::int64_t>{5, 6, 2, 7, 2, 2}));
}

TEST(Captions, WidthIsRoundedUpAndEndsAtTheContext) {
  const std::vector<std::int32_t> lengths{3, 9};
  EXPECT_EQ(trimmed_width(lengths, 16, 4), 12);
  EXPECT_EQ(trimmed_width(lengths, 10, 4), 10);
  EXPECT_EQ(trimmed_width(std::vector<std::int32_t>{0}, 10), 1);
  EXPECT_EQ(trimmed_width({}, 10, 4), 10);
}

TEST(Captions, NoneAndTooWide) {
  EXPECT_TRUE(cut({}, 0, 5).empty());
  EXPECT_THROW(cut({1, 2, 3, 4}, 2, 3), Error);
}

}  // namespace
}  // namespace clip_hpc
