// Numbers as people read them. A value that was not measured is shown as "–". Numbers and their units are joined by
// no-break spaces.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "clip_hpc/base/html.hpp"

namespace clip_hpc {

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

std::string show_percent(double share);           // 0.4235 -> 42.4 %
std::string show_count(double count);             // 1234567 -> 1.23 M; below 10000 in full
std::string show_number(double value);            // four digits
std::string show_duration(double time_s);         // 3 h 05 min
std::string show_hours(double hours);             // 12.3: a column names the unit
std::string show_large(double value);             // 3.1e17 -> 310 P
std::string show_bytes(std::int64_t size_bytes);  // 1.5 GiB

std::string with_plain_blanks(std::string text);  // for a terminal or gnuplot: no no-break spaces
std::string count_text(double count);             // show_count with plain blanks

}  // namespace clip_hpc
