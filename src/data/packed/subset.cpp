#include "clip_hpc/data/packed/subset.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"

namespace clip_hpc {
namespace {

std::uint64_t hash_of(const std::vector<std::uint64_t>& ids, const std::vector<std::uint64_t>& uids) {
  return xxh64(std::as_bytes(std::span(uids)), xxh64(std::as_bytes(std::span(ids))));
}

std::vector<std::uint64_t> read_u64(const Hid& file, const char* name, const std::filesystem::path& path) {
  const FileRegion region = region_of(file, name, sizeof(std::uint64_t), path);
  std::vector<std::uint64_t> values(region.size_bytes / sizeof(std::uint64_t));
  const FileDescriptor bytes = FileDescriptor::open_read(path);
  pread_all(bytes.get(), std::as_writable_bytes(std::span(values)), region.offset_bytes, path.native());
  return values;
}

}  // namespace

std::vector<std::uint64_t> draw_subset(const PackedSet& set, std::uint64_t count, std::uint64_t seed) {
  std::vector<std::uint64_t> all(set.count());
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  return draw_subset(set, all, count, seed);
}

std::vector<std::uint64_t> draw_subset(const PackedSet& set, std::span<const std::uint64_t> of, std::uint64_t count,
                                       std::uint64_t seed) {
  if (count == 0 || count > of.size()) {
    throw input_error("cannot draw {} samples of {}: {} {}", count, set.folder().native(),
                      of.size() == set.count() ? "it holds" : "what is kept of it are", of.size());
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> order;
  order.reserve(of.size());
  for (const std::uint64_t id : of) {
    const auto uid = set.uid(id);
    order.emplace_back(keyed_hash(seed, Purpose::subset, uid[0], uid[1]), id);
  }
  std::ranges::nth_element(order, order.begin() + static_cast<std::ptrdiff_t>(count - 1));
  std::vector<std::uint64_t> ids(count);
  std::ranges::transform(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), ids.begin(),
                         [](const auto& entry) { return entry.second; });
  std::ranges::sort(ids);
  return ids;
}

void write_subset(const std::filesystem::path& path, const PackedSet& set, const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) throw input_error("{} would hold no sample: keep more of them", path.native());
  if (std::ranges::adjacent_find(ids, std::greater_equal{}) != ids.end()) {
    throw internal_error("subset ids must ascend");
  }
  std::vector<std::uint64_t> uids;
  for (const std::uint64_t id : ids) {
    const auto uid = set.uid(id);
    uids.insert(uids.end(), uid.begin(), uid.end());
  }
  const std::filesystem::path beside = path.native() + ".tmp";
  Hid file = create_hdf5(beside);
  write_attribute(file, "schema_version", kShardSchemaVersion, path);
  write_attribute(file, "source", set.info().name, path);
  write_attribute(file, "source_checksum", set.checksum(), path);
  write_attribute(file, "ids_xxh64", hash_of(ids, uids), path);
  write_dataset(file, "ids", H5T_STD_U64LE, ids.size(), 0, ids.data(), path);
  write_dataset(file, "uid", H5T_STD_U64LE, ids.size(), 2, uids.data(), path);
  if (!file.close()) throw storage_error("cannot finish {}: is the disk full?", beside.native());
  sync_path(beside);
  rename_synced(beside, path);
}

std::vector<std::uint64_t> read_subset(const std::filesystem::path& named, const PackedSet& set) {
  const std::filesystem::path path = packed_path(named);
  const Hid file = open_hdf5(path);
  if (read_attribute_text(file, "source_checksum", path) != set.checksum()) {
    throw storage_error("{} is a subset of \"{}\", not of {} (\"{}\"): draw it again with clip_hpc filter",
                        path.native(), read_attribute_text(file, "source", path), set.folder().native(),
                        set.info().name);
  }
  std::vector<std::uint64_t> ids = read_u64(file, "ids", path);
  const std::vector<std::uint64_t> uids = read_u64(file, "uid", path);
  if (hash_of(ids, uids) != read_attribute_u64(file, "ids_xxh64", path)) {
    throw storage_error("{} does not match its checksum: draw it again with clip_hpc filter", path.native());
  }
  return ids;
}

}  // namespace clip_hpc
