#include "clip_hpc/model/layers/packed_captions.hpp"

#include <algorithm>
#include <numeric>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

at::Tensor on_device(const std::vector<std::int64_t>& values, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kLong).pinned_memory(!device.is_cpu());
  const at::Tensor host = at::empty({static_cast<std::int64_t>(values.size())}, options);
  std::ranges::copy(values, host.data_ptr<std::int64_t>());
  return device.is_cpu() ? host : host.to(device, /*non_blocking=*/true);
}

}  // namespace

PackedCaptions pack_captions(const at::Tensor& ids, std::span<const std::int32_t> lengths, std::int64_t multiple_of) {
  const auto rows = ids.size(0), tokens = ids.size(1);
  if (static_cast<std::int64_t>(lengths.size()) != rows) {
    throw internal_error("pack_captions: {} lengths for {} captions", lengths.size(), rows);
  }
  const auto rounded = [&](std::int64_t row) {
    const auto length = std::clamp<std::int64_t>(lengths[static_cast<std::size_t>(row)], 1, tokens);
    return std::min(tokens, (length + multiple_of - 1) / multiple_of * multiple_of);
  };
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::stable_sort(order, {}, rounded);

  std::vector<std::int64_t> sources, positions, ends(static_cast<std::size_t>(rows));
  PackedCaptions packed;
  for (const std::int64_t row : order) {
    const std::int64_t length = rounded(row);
    if (packed.groups.empty() || packed.groups.back().tokens != length) packed.groups.push_back({0, length});
    packed.groups.back().count += 1;
    const auto last = std::clamp<std::int64_t>(lengths[static_cast<std::size_t>(row)], 1, tokens) - 1;
    ends[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(sources.size()) + last;
    for (std::int64_t t = 0; t < length; ++t) {
      sources.push_back(row * tokens + t);
      positions.push_back(t);
    }
  }
  packed.ids = ids.reshape({-1}).index_select(0, on_device(sources, ids.device()));
  packed.positions = on_device(positions, ids.device());
  packed.ends = on_device(ends, ids.device());
  return packed;
}

}  // namespace clip_hpc
