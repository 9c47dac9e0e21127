#include "postprocess/read/number_text.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace clip_hpc {
namespace {

constexpr std::string_view kNothing = "–";

}  // namespace

std::string show_percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.1f} %", 100 * share) : std::string(kNothing);
}

std::string show_count(double count) {
  if (!std::isfinite(count)) return std::string(kNothing);
  constexpr std::array<std::pair<double, const char*>, 3> kUnits{{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  if (std::abs(count) >= 1e4) {
    for (const auto& [size, unit] : kUnits) {
      if (std::abs(count) >= size) return fmt::format("{:.3g} {}", count / size, unit);
    }
  }
  return count == std::floor(count) || std::abs(count) >= 1000 ? fmt::format("{:.0f}", count)
                                                               : fmt::format("{:.3g}", count);
}

std::string show_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : std::string(kNothing);
}

std::string show_duration(double time_s) {
  if (!std::isfinite(time_s) || time_s <= 0) return std::string(kNothing);
  if (time_s < 60) return fmt::format("{:.1f} s", time_s);
  const auto seconds = static_cast<std::int64_t>(std::llround(time_s));
  if (seconds < 3600) return fmt::format("{} min {:02d} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02d} min", seconds / 3600, seconds % 3600 / 60);
}

std::string show_hours(double hours) {
  if (!std::isfinite(hours)) return std::string(kNothing);
  return hours >= 1e4 ? show_count(hours) : fmt::format("{:.3g}", hours);
}

std::string show_large(double value) {
  if (!std::isfinite(value)) return std::string(kNothing);
  constexpr std::array<std::pair<double, const char*>, 7> kUnits{
      {{1e21, "Z"}, {1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  for (const auto& [size, unit] : kUnits) {
    if (std::abs(value) >= size) return fmt::format("{:.3g}\u00a0{}", value / size, unit);
  }
  return fmt::format("{:.3g}", value);
}

std::string with_plain_blanks(std::string text) {
  for (const std::string_view mark : {"\u00a0", "\u202f"}) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark)) text.replace(at, mark.size(), " ");
  }
  return text;
}

std::string count_text(double count) { return with_plain_blanks(show_count(count)); }

std::string show_bytes(std::int64_t size_bytes) {
  if (size_bytes <= 0) return std::string(kNothing);
  const auto size = static_cast<double>(size_bytes);
  if (size >= 0x1p30) return fmt::format("{:.1f} GiB", size / 0x1p30);
  return fmt::format("{:.0f} MiB", size / 0x1p20);
}

}  // namespace clip_hpc
