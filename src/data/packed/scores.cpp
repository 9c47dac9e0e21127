#include "clip_hpc/data/packed/scores.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/npy.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"

namespace clip_hpc {
namespace {

constexpr std::uint64_t kFileVersion = 1;

std::uint64_t hash_of(std::span<const float> scores) { return xxh64(std::as_bytes(scores)); }

std::vector<float> read_own(const std::filesystem::path& path, const PackedSet& set) {
  const Hid file = open_hdf5(path);
  if (read_attribute_text(file, "source_checksum", path) != set.checksum()) {
    throw storage_error("{} has the scores of \"{}\", not of {}: make them with clip_hpc score", path.native(),
                        read_attribute_text(file, "source", path), set.folder().native());
  }
  const FileRegion region = region_of(file, "scores", sizeof(float), path);
  std::vector<float> scores(region.size_bytes / sizeof(float));
  const FileDescriptor bytes = FileDescriptor::open_read(path);
  pread_all(bytes.get(), std::as_writable_bytes(std::span(scores)), region.offset_bytes, path.native());
  if (hash_of(scores) != read_attribute_u64(file, "scores_xxh64", path)) {
    throw storage_error("{} does not match its checksum: make it again with clip_hpc score", path.native());
  }
  return scores;
}

}  // namespace

void write_scores(const std::filesystem::path& path, const PackedSet& set, std::span<const float> scores,
                  const Json& about) {
  if (scores.size() != set.count()) throw internal_error("{} scores of {} samples", scores.size(), set.count());
  const std::filesystem::path beside = path.native() + ".part";
  Hid file = create_hdf5(beside);
  write_attribute(file, "schema_version", kFileVersion, path);
  write_attribute(file, "source", set.info().name, path);
  write_attribute(file, "source_checksum", set.checksum(), path);
  write_attribute(file, "scores_xxh64", hash_of(scores), path);
  for (const auto& [name, value] : about.items()) {
    if (value.is_number()) {
      write_attribute(file, name.c_str(), value.get<std::uint64_t>(), path);
    } else {
      write_attribute(file, name.c_str(), value.get<std::string>(), path);
    }
  }
  write_dataset(file, "scores", H5T_IEEE_F32LE, scores.size(), 0, scores.data(), path);
  if (!file.close()) throw storage_error("cannot finish {}: is the disk full?", beside.native());
  sync_path(beside);
  rename_synced(beside, path);
}

std::vector<float> read_scores(const std::filesystem::path& named, const PackedSet& set) {
  const std::filesystem::path path = packed_path(named);
  std::vector<float> scores = path.extension() == ".npy" ? floats_of(read_npy(path), path) : read_own(path, set);
  if (scores.size() != set.count()) {
    throw storage_error("{} holds {} scores, {} has {} samples", path.native(), scores.size(), set.folder().native(),
                        set.count());
  }
  return scores;
}

std::vector<std::uint64_t> best_share(const PackedSet& set, std::span<const float> scores, double share) {
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 0; id < scores.size(); ++id) {
    if (!std::isnan(scores[id])) ids.push_back(id);
  }
  // A share like 0.3 is a little less than it says in binary: 0.3 of 10 are 3.
  const auto wanted = static_cast<std::size_t>(std::floor(share * static_cast<double>(scores.size()) * (1 + 1e-12)));
  const std::size_t count = std::min(wanted, ids.size());
  if (count == 0) throw input_error("nothing is left of {}: keep more", set.folder().native());
  const auto is_better = [&](std::uint64_t a, std::uint64_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : set.uid(a) < set.uid(b);
  };
  std::ranges::nth_element(ids, ids.begin() + static_cast<std::ptrdiff_t>(count - 1), is_better);
  ids.resize(count);
  std::ranges::sort(ids);
  return ids;
}

std::vector<std::uint64_t> at_least(std::span<const float> scores, double least) {
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 0; id < scores.size(); ++id) {
    if (static_cast<double>(scores[id]) >= least) ids.push_back(id);
  }
  return ids;
}

std::vector<std::uint64_t> listed_uids(const PackedSet& set, const std::filesystem::path& path,
                                       std::uint64_t& unknown) {
  using Uid = std::array<std::uint64_t, 2>;
  const NpyArray array = read_npy(path);
  const bool is_pair = array.descr.starts_with('[') && array.shape.size() == 1;
  const bool is_table = array.descr == "'<u8'" && array.shape.size() == 2 && array.shape[1] == 2;
  if ((!is_pair && !is_table) || array.bytes.size() != array.shape[0] * sizeof(Uid)) {
    throw storage_error("{} holds {}: a list of uids is expected, two u64 an entry, as DataComp writes it",
                        path.native(), array.descr);
  }
  std::vector<Uid> wanted(array.shape[0]);
  std::memcpy(wanted.data(), array.bytes.data(), array.bytes.size());
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<bool> found(wanted.size());
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 0; id < set.count(); ++id) {
    const auto at = std::ranges::lower_bound(wanted, set.uid(id));
    if (at == wanted.end() || *at != set.uid(id)) continue;
    found[static_cast<std::size_t>(at - wanted.begin())] = true;
    ids.push_back(id);
  }
  unknown = static_cast<std::uint64_t>(std::ranges::count(found, false));
  return ids;
}

}  // namespace clip_hpc
