#include "clip_hpc/text/captions.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

TEST(Captions, AreCutAtTheLongest) {
  const std::vector<std::int32_t> ids{5, 6, 2, 2, 2, 7, 2, 2, 2, 2}, lengths{3, 2};
  EXPECT_EQ(trimmed_width(lengths, 5), 3);
  const Captions cut = trim_captions(ids, lengths, 3);
  EXPECT_EQ(cut.ids, (std::vector<std::int64_t>{5, 6, 2, 7, 2, 2}));
  EXPECT_EQ(cut.width, 3);
  EXPECT_EQ(cut.lengths, lengths);
}

TEST(Captions, WidthIsRoundedUpAndEndsAtTheContext) {
  const std::vector<std::int32_t> lengths{3, 9};
  EXPECT_EQ(trimmed_width(lengths, 16, 4), 12);
  EXPECT_EQ(trimmed_width(lengths, 10, 4), 10);
  EXPECT_EQ(trimmed_width(std::vector<std::int32_t>{0}, 10), 1);
  EXPECT_EQ(trimmed_width({}, 10, 4), 10);
}

TEST(Captions, NoneAndTooWide) {
  EXPECT_TRUE(trim_captions({}, {}, 5).ids.empty());
  const std::vector<std::int32_t> ids{1, 2, 3, 4}, lengths{2, 2};
  EXPECT_THROW(trim_captions(ids, lengths, 3), Error);
}

}  // namespace
}  // namespace clip_hpc
