#include "clip_hpc/data/sources/built_in/pixel_baseline.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"

namespace clip_hpc {
namespace {

std::vector<std::uint8_t> random_pixels(std::size_t count, std::uint64_t stream) {
  RandomStream random(7, Purpose::test, stream);
  std::vector<std::uint8_t> pixels(count);
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(random.next_u32() >> 24);
  return pixels;
}

std::size_t slow_nearest(const PixelSet& train, std::span<const std::uint8_t> image) {
  std::size_t best = 0;
  std::int64_t least = -1;
  for (std::size_t i = 0; i < train.count; ++i) {
    std::int64_t distance = 0;
    for (std::size_t d = 0; d < train.dim; ++d) {
      const std::int64_t difference = std::int64_t{train.pixels[i * train.dim + d]} - image[d];
      distance += difference * difference;
    }
    if (least < 0 || distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

TEST(PixelBaseline, EqualsThePlainLoop) {
  for (const std::size_t dim : {1UL, 7UL, 48UL, 300UL}) {  // not multiples of the block sizes
    const auto train_pixels = random_pixels(101 * dim, dim);
    const auto test_pixels = random_pixels(13 * dim, dim + 1);
    const PixelSet train{train_pixels, 101, dim};
    const PixelSet test{test_pixels, 13, dim};
    std::vector<std::size_t> all(13);
    std::iota(all.begin(), all.end(), 0UL);
    const auto nearest = nearest_pixels(train, test, all);
    ASSERT_EQ(nearest.size(), 13U);
    for (std::size_t i = 0; i < 13; ++i) {
      EXPECT_EQ(nearest[i], slow_nearest(train, std::span(test_pixels).subspan(i * dim, dim)));
    }
  }
}

TEST(PixelBaseline, BrightLargePicturesDoNotOverflow) {
  const std::size_t dim = 150000;  // 224 x 224 x 3 is of this size
  std::vector<std::uint8_t> train_pixels(2 * dim, 255);
  std::fill_n(train_pixels.begin(), dim, std::uint8_t{0});
  const std::vector<std::uint8_t> test_pixels(dim, 250);
  const std::vector<std::size_t> only = {0};
  EXPECT_EQ(nearest_pixels({train_pixels, 2, dim}, {test_pixels, 1, dim}, only)[0], 1U);
}

TEST(PixelBaseline, AccuracyCountsPredictions) {
  const std::vector<std::uint8_t> train_pixels = {0, 100, 200};
  const std::vector<std::uint8_t> test_pixels = {10, 90, 110, 250};
  const std::vector<std::int32_t> labels = {0, 1, 2, 2};
  const PixelSet train{train_pixels, 3, 1};
  const PixelSet test{test_pixels, 4, 1};
  const auto predict = [](std::size_t nearest) { return static_cast<std::int32_t>(nearest); };
  EXPECT_DOUBLE_EQ(nearest_pixel_accuracy(train, test, labels, predict), 0.75);
  EXPECT_DOUBLE_EQ(nearest_pixel_accuracy(train, test, labels, predict, 2), 0.5);  // pictures 0 and 2
}

TEST(PixelBaseline, RefusesWhatDoesNotFit) {
  const std::vector<std::uint8_t> pixels(12, 0);
  const std::vector<std::size_t> first = {0};
  EXPECT_THROW(nearest_pixels({pixels, 4, 3}, {pixels, 6, 2}, first), Error);
  EXPECT_THROW(nearest_pixels({{}, 0, 3}, {pixels, 4, 3}, first), Error);
  EXPECT_THROW(nearest_pixels({pixels, 5, 3}, {pixels, 4, 3}, first), Error);
  EXPECT_THROW(WordOverlap({}), Error);
}

TEST(PixelBaseline, WordsInCommonDecide) {
  const std::vector<std::string> names = {"latin small letter a with ring above", "latin small letter a with grave",
                                          "cyrillic small letter ie with grave", "latin capital letter a with grave"};
  const WordOverlap overlap(names);
  EXPECT_EQ(overlap.best_class("latin small letter a"), 1);  // a tie with the longer name 0
  EXPECT_EQ(overlap.best_class("cyrillic small letter i with grave"), 2);
  EXPECT_EQ(overlap.best_class("latin capital letter a with acute"), 3);
  EXPECT_EQ(overlap.best_class("nothing"), 1);
}

}  // namespace
}  // namespace clip_hpc
