#include "clip_hpc/strategy/text_mask.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

using Ids = std::vector<std::int32_t>;

Ids masked(const std::string& name, Ids ids, std::int32_t length, std::int64_t tokens, CaptionForm form,
           std::uint64_t row = 0) {
  RandomStream random(7, Purpose::text_keep, row);
  const std::int32_t kept = mask_caption(ids, length, tokens, text_mask(name), form, random);
  EXPECT_EQ(kept, std::min<std::int64_t>(length, tokens));
  return ids;
}

TEST(TextMask, StartAndEndStayAndPaddingFollows) {
  const Ids clip{900, 1, 2, 3, 4, 5, 901, 0};
  EXPECT_EQ(masked("truncate", clip, 7, 5, {true, 0}), (Ids{900, 1, 2, 3, 901, 0, 0, 0}));
  EXPECT_EQ(masked("truncate", {1, 2, 3, 4, 9, 9}, 5, 3, {false, 9}), (Ids{1, 2, 9, 9, 9, 9}));
  EXPECT_EQ(masked("random", clip, 7, 7, {true, 0}), clip);  // short enough
}

TEST(TextMask, BlocksAreNeighboursAndRandomOnesKeepTheirOrder) {
  const Ids words{1, 2, 3, 4, 5, 6, 7, 8, 99, 99};
  std::set<Ids> blocks, some;
  for (std::uint64_t row = 0; row < 60; ++row) {
    const Ids block = masked("block", words, 9, 4, {false, 99}, row),
              any = masked("random", words, 9, 4, {false, 99}, row);
    EXPECT_TRUE(block[1] == block[0] + 1 && block[2] == block[1] + 1 && block[3] == 99);
    EXPECT_TRUE(any[0] < any[1] && any[1] < any[2] && any[3] == 99);
    blocks.insert(block);
    some.insert(any);
    EXPECT_EQ(any, masked("random", words, 9, 4, {false, 99}, row));  // a function of the row
  }
  EXPECT_EQ(blocks.size(), 6U);
  EXPECT_GT(some.size(), 20U);
}

TEST(TextMask, AnUnknownNameIsToldTheNearest) {
  test::expect_error(ErrorKind::input, {"unknown text mask \"blok\"", "\"block\""}, [] { text_mask("blok"); });
}

}  // namespace
}  // namespace clip_hpc
