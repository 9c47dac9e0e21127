// The one list of a batch's tensors serves slicing, the way to the device and graphs alike.
#include "clip_hpc/train/pair_batch.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

PairBatch two_views() {
  return {at::arange(2 * 5 * 3 * 4, at::kLong).to(at::kByte).view({2, 5, 3, 2, 2}),
          at::arange(5 * 4, at::kLong).view({5, 4}),
          at::arange(5 * 2, at::kLong).view({5, 2}),
          {1, 2, 3, 4, 2}};
}

TEST(PairBatch, ASliceCutsEveryTensorByRows) {
  const PairBatch whole = two_views(), part = whole.slice(1, 4);
  EXPECT_EQ(part.rows(), 3);
  EXPECT_TRUE(at::equal(part.images, whole.images.slice(1, 1, 4)));  // both views
  EXPECT_TRUE(at::equal(part.ids, whole.ids.slice(0, 1, 4)));
  EXPECT_TRUE(at::equal(*part.kept, whole.kept->slice(0, 1, 4)));
  EXPECT_EQ(part.lengths, (std::vector<std::int32_t>{2, 3, 4}));
}

TEST(PairBatch, ListsEachTensorOnce) {
  PairBatch batch = two_views();
  EXPECT_EQ(batch.tensors().size(), 3U);
  batch.kept.reset();
  EXPECT_EQ(batch.tensors().size(), 2U);
  EXPECT_FALSE(batch.slice(0, 1).kept.has_value());
}

TEST(PairBatch, TokensAreThoseThatTheTowerComputes) {
  PairBatch batch = two_views();
  EXPECT_DOUBLE_EQ(tokens_of(batch), 2.4);
  batch.lengths.clear();
  EXPECT_DOUBLE_EQ(tokens_of(batch), 4);
}

}  // namespace
}  // namespace clip_hpc
