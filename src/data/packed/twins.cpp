#include "clip_hpc/data/packed/twins.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using Uid = std::array<std::uint64_t, 2>;

struct Place {
  Uid uid;
  std::uint32_t shard, row;
  auto order() const { return std::tie(uid, shard, row); }
};

std::uint64_t bucket_of(const Uid& uid, std::uint64_t buckets) {
  return xxh64(std::as_bytes(std::span(uid)), 3) % buckets;  // uids that count up from zero spread, too
}

Uid other_uid(const Uid& uid, std::uint64_t which) {
  const std::array<std::uint64_t, 3> key{uid[0], uid[1], which};
  return {xxh64(std::as_bytes(std::span(key)), 1), xxh64(std::as_bytes(std::span(key)), 2)};
}

FileRegion uids_of(const fs::path& path) { return region_of(open_hdf5(path), "uid", 8, path); }

// Calls take(row, uid) for each sample of a shard.
template <class Take>
void each_uid(const fs::path& path, const Take& take) {
  const FileRegion region = uids_of(path);
  const FileDescriptor file = FileDescriptor::open_read(path);
  constexpr std::uint64_t kAtOnce = 1 << 16;
  std::vector<Uid> some;
  const std::uint64_t count = region.size_bytes / sizeof(Uid);
  for (std::uint64_t row = 0; row < count; row += some.size()) {
    some.resize(std::min(kAtOnce, count - row));
    pread_all(file.get(), std::as_writable_bytes(std::span(some)), region.offset_bytes + row * sizeof(Uid),
              path.native());
    for (std::uint64_t i = 0; i < some.size(); ++i) take(row + i, some[i]);
  }
}

void append_twins(std::vector<Place>& places, std::vector<Twin>& twins) {
  std::ranges::sort(places, {}, &Place::order);
  for (std::size_t i = 0, first = 0; i < places.size(); ++i) {
    if (places[i].uid != places[first].uid) first = i;
    if (i > first) twins.push_back({places[i].shard, places[i].row, other_uid(places[i].uid, i - first)});
  }
}

// Of all tables but images and captions, chained as the reader chains them.
std::uint64_t tables_hash(const Hid& file, const fs::path& path, const std::vector<std::string>& label_names) {
  std::vector<std::pair<std::string, std::size_t>> tables{
      {"image_offsets", 8}, {"caption_offsets", 8}, {"width", 4}, {"height", 4}, {"xxh3", 8}, {"uid", 8}};
  for (const std::string& label : label_names) tables.emplace_back(label, 4);
  const FileDescriptor bytes = FileDescriptor::open_read(path);
  std::uint64_t hash = 0;
  std::vector<std::byte> table;
  for (const auto& [name, element_bytes] : tables) {
    const FileRegion region = region_of(file, name, element_bytes, path);
    table.resize(region.size_bytes);
    pread_all(bytes.get(), table, region.offset_bytes, path.native());
    hash = xxh64(table, hash);
  }
  return hash;
}

}  // namespace

std::vector<Twin> find_twins(const fs::path& folder, std::span<const ShardInfo> shards, int rank, int world,
                             std::uint64_t memory_samples, std::size_t most) {
  std::uint64_t count = 0;
  for (const ShardInfo& shard : shards) count += shard.count;
  const auto ranks = static_cast<std::uint64_t>(world);
  const std::uint64_t passes = count / (ranks * memory_samples) + 1;
  std::vector<Twin> twins;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    std::vector<Place> places;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      each_uid(folder / shards[i].file, [&](std::uint64_t row, const Uid& uid) {
        if (bucket_of(uid, ranks * passes) != static_cast<std::uint64_t>(rank) * passes + pass) return;
        places.push_back({uid, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(row)});
      });
    }
    append_twins(places, twins);
    if (twins.size() > most) {
      throw input_error("more than {} samples of {} have a uid that another has: is an input given twice?", most,
                        folder.native());
    }
  }
  return twins;
}

std::string twins_to_text(const std::vector<Twin>& twins) {
  Json json = Json::array();
  for (const Twin& twin : twins) json.push_back({twin.shard, twin.row, twin.uid[0], twin.uid[1]});
  return json.dump();
}

std::vector<Twin> twins_from_text(const std::string& text) {
  std::vector<Twin> twins;
  for (const Json& one : Json::parse(text)) {
    const auto number = [&](std::size_t i) { return one.at(i).get<std::uint64_t>(); };
    twins.push_back({number(0), number(1), {number(2), number(3)}});
  }
  return twins;
}

ShardInfo rename_twins(const fs::path& folder, const ShardInfo& shard, const std::vector<std::string>& label_names,
                       std::span<const Twin> twins) {
  const fs::path path = folder / shard.file;
  const FileRegion region = uids_of(path);
  {
    const FileDescriptor file = FileDescriptor::open_write(path);
    for (const Twin& twin : twins) {
      pwrite_all(file.get(), std::as_bytes(std::span(twin.uid)), region.offset_bytes + twin.row * sizeof(Uid),
                 path.native());
    }
  }
  Hid file = open_hdf5(path, Hdf5Use::change);
  change_attribute(file, "tables_xxh64", tables_hash(file, path, label_names), path);
  if (!file.close()) throw storage_error("cannot finish {}: is the disk full?", path.native());
  sync_path(path);
  ShardInfo renamed = shard;
  renamed.xxh64 = hex64(xxh64_of_file(path));
  return renamed;
}

}  // namespace clip_hpc
