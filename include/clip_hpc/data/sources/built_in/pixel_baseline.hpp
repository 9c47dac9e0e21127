// What an honest table prints beside CLIP: the nearest training picture, pixel by pixel. Exact integer arithmetic, so
// the number is the same on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

struct PixelSet {
  std::span<const std::uint8_t> pixels;  // [count, dim], all pictures of one size
  std::size_t count = 0;
  std::size_t dim = 0;
};

// For each of the chosen test pictures the index of the training picture at the least squared distance (the first of
// equals). 28,000 x 1,500 pictures of 1,024 pixels take seconds on one core.
std::vector<std::size_t> nearest_pixels(const PixelSet& train, const PixelSet& test,
                                        std::span<const std::size_t> test_indices);

// Share of the test pictures for which predict(index of the nearest training picture) is the label; at most max_test
// pictures are looked at, taken at an even stride.
double nearest_pixel_accuracy(const PixelSet& train, const PixelSet& test, std::span<const std::int32_t> test_labels,
                              const std::function<std::int32_t(std::size_t)>& predict, std::size_t max_test = 1500);

// Predicts the class name that shares most words with a text (the nearest letter's name); ties go to the name with
// the fewest words of its own, then to the first.
class WordOverlap {
 public:
  explicit WordOverlap(std::span<const std::string> classnames);
  std::int32_t best_class(std::string_view text) const;

 private:
  std::vector<std::vector<std::string>> words_;  // sorted, one list a class
};

}  // namespace clip_hpc
