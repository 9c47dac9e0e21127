#include "clip_hpc/train/rank_check.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <bit>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kChunk = std::int64_t{1} << 22;  // elements whose bits are summed: order within is not seen

void append_sums(const at::Tensor& values, std::vector<at::Tensor>& sums) {
  const at::Tensor bits = values.view(values.element_size() == 2 ? at::kShort : at::kInt);
  for (std::int64_t first = 0; first < bits.numel(); first += kChunk) {
    sums.push_back(bits.narrow(0, first, std::min(kChunk, bits.numel() - first)).sum(at::kLong));
  }
}

}  // namespace

std::uint64_t hash_of_weights(ParameterArena& arena) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> sums;
  append_sums(arena.weights().detach(), sums);
  const bool has_master_of_its_own = arena.share().parts == 1 && arena.weights().scalar_type() != at::kFloat;
  if (has_master_of_its_own) append_sums(arena.master().detach(), sums);
  const at::Tensor all = at::stack(sums).cpu();
  return xxh64(bytes_of(all));
}

std::vector<std::size_t> ranks_apart(const std::vector<std::string>& hashes) {
  const auto count = [&](const std::string& hash) { return std::ranges::count(hashes, hash); };
  const auto common = std::ranges::max_element(hashes, {}, count);  // the first of the commonest
  std::vector<std::size_t> apart;
  for (std::size_t rank = 0; rank < hashes.size(); ++rank) {
    if (hashes[rank] != *common) apart.push_back(rank);
  }
  return apart;
}

void check_ranks_agree(World& world, ParameterArena& arena, std::int64_t step) {
  const auto hash = std::bit_cast<std::int64_t>(hash_of_weights(arena) >> 1);
  std::array<std::int64_t, 2> range{hash, -hash};
  world.all_reduce_max(range);
  if (range[0] == -range[1]) return;
  const std::vector<std::string> hashes = world.all_gather_strings(hex64(static_cast<std::uint64_t>(hash)));
  const std::vector<std::string> hosts = world.all_gather_strings(world.host_name());
  std::vector<std::string> names;
  for (const std::size_t rank : ranks_apart(hashes)) names.push_back(fmt::format("rank {} on {}", rank, hosts[rank]));
  throw device_error(
      "after step {}, {} of {} ranks hold other weights than the rest: {}. A processor, memory or link of those nodes "
      "fails without a word, or the nodes have different processors and round differently. Exclude these nodes and "
      "submit again; for nodes that differ, comm.shard_optimizer = true keeps the ranks equal",
      step, names.size(), world.size(), fmt::join(names, ", "));
}

}  // namespace clip_hpc
