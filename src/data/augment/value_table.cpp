#include "data/augment/value_table.hpp"

#include <algorithm>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {

void look_up(std::uint8_t* pixels, std::size_t count, const ValueTable& table) {
  for (std::size_t i = 0; i < count; ++i) pixels[i] = table[pixels[i]];
}

CLIP_HPC_VECTOR_CLONES
ValueRange value_range(const std::uint8_t* pixels, std::size_t count) {
  std::uint8_t low = pixels[0], high = pixels[0];
  for (std::size_t i = 0; i < count; ++i) {
    low = std::min(low, pixels[i]);
    high = std::max(high, pixels[i]);
  }
  return {low, high};
}

}  // namespace clip_hpc
