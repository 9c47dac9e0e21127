// A new value for each of the 256.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace clip_hpc {

using ValueTable = std::array<std::uint8_t, 256>;
void look_up(std::uint8_t* pixels, std::size_t count, const ValueTable& table);
// The same for a table of slope value + offset, cut off at 0 and 255: without the table, where 16 bits say it as well.
void look_up_line(std::uint8_t* pixels, std::size_t count, const ValueTable& table, double slope, double offset);

struct ValueRange {
  int low = 0, high = 0;
};
ValueRange value_range(const std::uint8_t* pixels, std::size_t count);  // count > 0

}  // namespace clip_hpc
