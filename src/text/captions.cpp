#include "clip_hpc/text/captions.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

std::int64_t trimmed_width(std::span<const std::int32_t> lengths, std::int64_t context, std::int64_t multiple_of) {
  if (lengths.empty()) return context;
  const std::int64_t longest = std::max(1, *std::ranges::max_element(lengths));
  return std::min(context, (longest + multiple_of - 1) / multiple_of * multiple_of);
}

void copy_trimmed(std::span<const std::int32_t> ids, std::int64_t rows, std::span<std::int64_t> out) {
  if (rows == 0) return;
  const std::size_t count = static_cast<std::size_t>(rows);
  const std::size_t context = ids.size() / count, width = out.size() / count;
  if (width > context || ids.size() != count * context || out.size() != count * width) {
    throw internal_error("{} ids of {} captions into {} ids", ids.size(), rows, out.size());
  }
  for (std::size_t row = 0; row < count; ++row) {
    std::ranges::copy(ids.subspan(row * context, width), out.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
}

}  // namespace clip_hpc
