#include "clip_hpc/data/sources/built_in/pixel_baseline.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <numeric>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kTestsAtOnce = 4;    // share the loads of a training picture
constexpr std::size_t kTrainBlock = 32;    // training pictures that stay in the cache while all tests pass
constexpr std::size_t kChunk = 16384;      // pixels whose products cannot overflow 32 bits (16384 * 255^2 < 2^31)
constexpr std::size_t kDimAlignment = 16;  // padding with zeros saves the compiler the loop's tail

using Products = std::array<std::int64_t, kTestsAtOnce>;

// Dot products of one training picture with four test pictures that lie one after another.
Products dot4(const std::int16_t* train, const std::int16_t* tests, std::size_t dim) {
  Products sums{};
  for (std::size_t begin = 0; begin < dim; begin += kChunk) {
    const std::size_t end = std::min(begin + kChunk, dim);
    std::int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (std::size_t i = begin; i < end; ++i) {
      s0 += train[i] * tests[i];
      s1 += train[i] * tests[dim + i];
      s2 += train[i] * tests[2 * dim + i];
      s3 += train[i] * tests[3 * dim + i];
    }
    sums[0] += s0;
    sums[1] += s1;
    sums[2] += s2;
    sums[3] += s3;
  }
  return sums;
}

void widen(const PixelSet& set, std::size_t index, std::span<std::int16_t> out) {
  std::ranges::copy(set.pixels.subspan(index * set.dim, set.dim), out.begin());
}

std::int64_t squared_norm(std::span<const std::int16_t> image) {
  return std::transform_reduce(image.begin(), image.end(), image.begin(), std::int64_t{0}, std::plus<>(),
                               [](std::int64_t a, std::int64_t b) { return a * b; });
}

void check(const PixelSet& set, const char* name) {
  if (set.count == 0 || set.dim == 0) throw input_error("the {} set of the pixel baseline is empty", name);
  if (set.pixels.size() != set.count * set.dim) {
    throw internal_error("the {} set has {} pixels, not {} x {}", name, set.pixels.size(), set.count, set.dim);
  }
}

}  // namespace

std::vector<std::size_t> nearest_pixels(const PixelSet& train, const PixelSet& test,
                                        std::span<const std::size_t> test_indices) {
  check(train, "training");
  check(test, "test");
  if (train.dim != test.dim) {
    throw input_error("training pictures have {} values and test pictures {}: pack both at one size", train.dim,
                      test.dim);
  }
  const std::size_t dim = (train.dim + kDimAlignment - 1) / kDimAlignment * kDimAlignment;
  const std::size_t groups = (test_indices.size() + kTestsAtOnce - 1) / kTestsAtOnce;
  std::vector<std::int16_t> tests(groups * kTestsAtOnce * dim, 0);
  for (std::size_t i = 0; i < test_indices.size(); ++i) widen(test, test_indices[i], std::span(tests).subspan(i * dim));

  std::vector<std::size_t> nearest(groups * kTestsAtOnce, 0);
  // |a - b|^2 = |a|^2 - 2 a.b + |b|^2, and |b|^2 of the test picture does not change the order.
  std::vector<std::int64_t> least(groups * kTestsAtOnce, std::numeric_limits<std::int64_t>::max());
  std::vector<std::int16_t> block(kTrainBlock * dim, 0);
  std::array<std::int64_t, kTrainBlock> norms{};
  for (std::size_t begin = 0; begin < train.count; begin += kTrainBlock) {
    const std::size_t in_block = std::min(kTrainBlock, train.count - begin);
    for (std::size_t k = 0; k < in_block; ++k) {
      const auto image = std::span(block).subspan(k * dim, dim);
      widen(train, begin + k, image);
      norms[k] = squared_norm(image);
    }
    for (std::size_t group = 0; group < groups; ++group) {
      const std::size_t first = group * kTestsAtOnce;
      for (std::size_t k = 0; k < in_block; ++k) {
        const Products products = dot4(&block[k * dim], &tests[first * dim], dim);
        for (std::size_t t = 0; t < kTestsAtOnce; ++t) {
          const std::int64_t distance = norms[k] - 2 * products[t];
          if (distance < least[first + t]) {
            least[first + t] = distance;
            nearest[first + t] = begin + k;
          }
        }
      }
    }
  }
  nearest.resize(test_indices.size());
  return nearest;
}

double nearest_pixel_accuracy(const PixelSet& train, const PixelSet& test, std::span<const std::int32_t> test_labels,
                              const std::function<std::int32_t(std::size_t)>& predict, std::size_t max_test) {
  if (test_labels.size() != test.count) {
    throw internal_error("{} labels for {} test pictures", test_labels.size(), test.count);
  }
  const std::size_t looked_at = std::min(test.count, std::max<std::size_t>(max_test, 1));
  std::vector<std::size_t> chosen(looked_at);
  for (std::size_t i = 0; i < looked_at; ++i) chosen[i] = i * test.count / looked_at;
  const auto nearest = nearest_pixels(train, test, chosen);
  std::size_t right = 0;
  for (std::size_t i = 0; i < looked_at; ++i) right += predict(nearest[i]) == test_labels[chosen[i]] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(looked_at);
}

namespace {

std::vector<std::string> sorted_words(std::string_view text) {
  std::vector<std::string> words;
  for (const auto word : split_text(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  std::ranges::sort(words);
  return words;
}

}  // namespace

WordOverlap::WordOverlap(std::span<const std::string> classnames) {
  if (classnames.empty()) throw input_error("the pixel baseline needs class names: is the test set without labels?");
  for (const auto& name : classnames) words_.push_back(sorted_words(name));
}

std::int32_t WordOverlap::best_class(std::string_view text) const {
  const auto words = sorted_words(text);
  std::size_t best = 0;
  std::ptrdiff_t best_common = -1;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    std::vector<std::string_view> common;
    std::ranges::set_intersection(words, words_[i], std::back_inserter(common));
    const auto shared = static_cast<std::ptrdiff_t>(common.size());
    if (shared > best_common || (shared == best_common && words_[i].size() < words_[best].size())) {
      best = i;
      best_common = shared;
    }
  }
  return static_cast<std::int32_t>(best);
}

}  // namespace clip_hpc
