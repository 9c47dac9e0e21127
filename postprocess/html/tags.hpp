// Texts of the page: escaping, and numbers as people read them. A value that was not measured is shown as "–".
// Numbers and their units are joined by no-break spaces.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "clip_hpc/base/html.hpp"

namespace clip_hpc {

std::string show_percent(double share);           // 0.4235 -> 42.4 %
std::string show_count(double count);             // 1234567 -> 1.23 M; below 10000 in full
std::string show_number(double value);            // four digits
std::string show_duration(double time_s);         // 3 h 05 min
std::string show_hours(double hours);             // 12.3: a column names the unit
std::string show_large(double value);             // 3.1e17 -> 310 P
std::string show_bytes(std::int64_t size_bytes);  // 1.5 GiB

}  // namespace clip_hpc
