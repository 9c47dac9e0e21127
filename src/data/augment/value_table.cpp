#include "data/augment/value_table.hpp"

#include <cmath>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

constexpr double kOne = 1 << 16;

inline std::uint8_t on_line(std::int32_t value, std::int32_t factor, std::int32_t addend) {
  std::int32_t out = (value * factor + addend) >> 16;
  out = out < 0 ? 0 : out;
  return static_cast<std::uint8_t>(out > 255 ? 255 : out);
}

CLIP_HPC_VECTOR_CLONES
void map_line(std::uint8_t* pixels, std::size_t count, std::int32_t factor, std::int32_t addend) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = on_line(pixels[i], factor, addend);
}

CLIP_HPC_VECTOR_CLONES
void range_of(const std::uint8_t* pixels, std::size_t count, std::uint8_t& low_out, std::uint8_t& high_out) {
  std::uint8_t low = 255, high = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t value = pixels[i];
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  low_out = low;
  high_out = high;
}

}  // namespace

void look_up(std::uint8_t* pixels, std::size_t count, const ValueTable& table) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = table[pixels[i]];
}

ValueRange value_range(const std::uint8_t* pixels, std::size_t count) {
  std::uint8_t low = 255, high = 0;
  range_of(pixels, count, low, high);
  return {low, high};
}

void look_up_line(std::uint8_t* pixels, std::size_t count, const ValueTable& table, double slope, double offset) {
  const auto factor = static_cast<std::int32_t>(std::lround(slope * kOne));
  // Half a unit up: sums that are whole numbers stay on their side.
  const auto addend = static_cast<std::int32_t>(std::lround(offset * kOne)) + 128;
  for (int value = 0; value < 256; ++value) {
    if (on_line(value, factor, addend) != table[static_cast<std::size_t>(value)]) {
      look_up(pixels, count, table);
      return;
    }
  }
  map_line(pixels, count, factor, addend);
}

}  // namespace clip_hpc
