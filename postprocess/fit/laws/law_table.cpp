#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "clip_hpc/config/rows.hpp"
#include "postprocess/fit/laws/front_law.hpp"
#include "postprocess/fit/laws/law.hpp"
#include "postprocess/fit/laws/repeated_law.hpp"
#include "postprocess/fit/laws/saturating_law.hpp"

namespace clip_hpc {

std::span<const LawKind> law_kinds() {
  // Where two laws predict equally well, the earlier row is taken.
  static const LawKind kinds[] = {saturating_law(), front_law(), repeated_law(), repeated_code_law()};
  return kinds;
}

const LawKind& law_kind(const std::string& name) { return row_named(law_kinds(), name, "law"); }

double span_of(std::span<const LawPoint> points, double (*value)(const LawPoint&)) {
  const auto [least, most] = std::ranges::minmax_element(points, {}, value);
  return value(*most) / value(*least);
}

double geometric_mean(std::span<const LawPoint> points, double (*value)(const LawPoint&)) {
  double sum = 0;
  for (const LawPoint& p : points) sum += std::log(value(p));
  return std::exp(sum / static_cast<double>(points.size()));
}

bool has_repeats(std::span<const LawPoint> points) {
  return std::ranges::any_of(points, [](const LawPoint& p) { return p.samples > 1.05 * p.set; });
}

std::string too_few(std::size_t points, std::size_t needed, const char* what) {
  return points >= needed ? "" : fmt::format("{} point{}, {} takes {}", points, points == 1 ? "" : "s", what, needed);
}

std::vector<LawPoint> all_of(std::span<const LawPoint> points) { return {points.begin(), points.end()}; }

}  // namespace clip_hpc
