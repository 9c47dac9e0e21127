#include "clip_hpc/data/packed/packed_set.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"

namespace clip_hpc {
namespace {

template <class T>
T load(const std::byte* table, std::uint64_t index) {  // HDF5 promises no alignment
  T value;
  std::memcpy(&value, table + index * sizeof(T), sizeof(T));
  return value;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw storage_error("{} does not exist: zero-shot evaluation needs it, one entry a line", path.native());
  }
  std::vector<std::string> lines = split_lines(read_text_file(path));
  std::erase(lines, "");
  if (lines.empty()) throw storage_error("{} is empty: give one entry a line", path.native());
  return lines;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileDescriptor file = FileDescriptor::open_read(path);
  size_bytes_ = file.size_bytes();
  if (size_bytes_ == 0) throw storage_error("{} is empty: write it again", path.native());
  void* const at = ::mmap(nullptr, size_bytes_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) throw storage_error("cannot map {}: {}", path.native(), std::strerror(errno));
  data_ = static_cast<const std::byte*>(at);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_bytes_);
}

PackedSet::PackedSet(const std::filesystem::path& folder)
    : folder_(without_slash(packed_path(folder))), info_(read_dataset_json(folder_)) {
  std::uint64_t first = 0;
  for (const ShardInfo& shard : info_.shards) {
    shards_.push_back(open_shard(shard, first));
    first += shard.count;
  }
}

PackedSet::Shard PackedSet::open_shard(const ShardInfo& info, std::uint64_t first) const {
  Shard shard;
  shard.path = folder_ / info.file;
  const std::string& name = shard.path.native();
  if (!std::filesystem::exists(shard.path)) {
    throw storage_error("{} is missing though dataset.json lists it: copy it again or repack with clip_hpc pack", name);
  }
  const std::uint64_t size_bytes = std::filesystem::file_size(shard.path);
  if (size_bytes != info.size_bytes) {
    throw storage_error("{} has {} bytes, dataset.json says {}: truncated? copy it again or repack with clip_hpc pack",
                        name, size_bytes, info.size_bytes);
  }
  const Hid file = open_hdf5(shard.path);
  const std::uint64_t version = read_attribute_u64(file, "schema_version", shard.path);
  if (version != kShardSchemaVersion) {
    throw storage_error("{} has schema version {}, this program reads {}: repack the set with clip_hpc pack", name,
                        version, kShardSchemaVersion);
  }
  shard.first = first;
  shard.count = read_attribute_u64(file, "count", shard.path);
  if (shard.count == 0 || shard.count != info.count ||
      read_attribute_text(file, "encoding", shard.path) != info_.encoding ||
      read_attribute_u64(file, "channels", shard.path) != static_cast<std::uint64_t>(info_.channels)) {
    throw storage_error("{} (count {}) does not fit dataset.json (count {}): repack the set with clip_hpc pack", name,
                        shard.count, info.count);
  }
  shard.file = FileDescriptor::open_read(shard.path);
  shard.map = MappedFile(shard.path);

  std::uint64_t hash = 0;
  const auto table = [&](const std::string& dataset, std::size_t element_bytes, std::uint64_t elements) {
    const FileRegion region = region_of(file, dataset, element_bytes, shard.path);
    if (region.size_bytes != element_bytes * elements || region.offset_bytes > size_bytes ||
        region.size_bytes > size_bytes - region.offset_bytes) {
      throw storage_error("{}: dataset {} has the wrong size: repack the set with clip_hpc pack", name, dataset);
    }
    const std::byte* const at = shard.map.data() + region.offset_bytes;
    hash = xxh64({at, region.size_bytes}, hash);
    return at;
  };
  shard.image_offsets = table("image_offsets", 8, shard.count + 1);
  shard.caption_offsets = table("caption_offsets", 8, shard.count + 1);
  shard.widths = table("width", 4, shard.count);
  shard.heights = table("height", 4, shard.count);
  shard.hashes = table("xxh3", 8, shard.count);
  shard.uids = table("uid", 8, 2 * shard.count);
  for (const std::string& label : info_.label_names) shard.labels[label] = table(label, 4, shard.count);
  if (hash != read_attribute_u64(file, "tables_xxh64", shard.path)) {
    throw storage_error("{}: its tables do not match their checksum: copy it again or repack with clip_hpc pack", name);
  }
  shard.tables_xxh64 = hash;
  const FileRegion images = region_of(file, "images", 1, shard.path);
  const FileRegion captions = region_of(file, "captions", 1, shard.path);
  shard.images_offset = images.offset_bytes;
  shard.images_bytes = images.size_bytes;
  shard.captions_offset = captions.offset_bytes;
  shard.captions_bytes = captions.size_bytes;
  if (captions.offset_bytes > size_bytes || captions.size_bytes > size_bytes - captions.offset_bytes) {
    throw storage_error("{}: dataset captions has the wrong size: repack the set with clip_hpc pack", name);
  }
  return shard;
}

const PackedSet::Shard& PackedSet::shard_of(std::uint64_t index) const {
  if (index >= count()) {
    throw input_error("sample {} does not exist: {} holds {} samples", index, folder_.native(), count());
  }
  return *std::prev(std::ranges::upper_bound(shards_, index, {}, &Shard::first));
}

void PackedSet::read_captions(const Shard& shard, std::uint64_t row, std::string& into) const {
  const auto begin = load<std::uint64_t>(shard.caption_offsets, row);
  const auto end = load<std::uint64_t>(shard.caption_offsets, row + 1);
  if (begin > end || end > shard.captions_bytes) {
    throw storage_error("{}: caption offsets of sample {} are damaged: repack with clip_hpc pack", shard.path.native(),
                        row);
  }
  // Captions are short and lie together: mapped, they cost no call into the kernel.
  into.assign(reinterpret_cast<const char*>(shard.map.data()) + shard.captions_offset + begin, end - begin);
}

void PackedSet::read_into(std::uint64_t index, RawSample& sample) const {
  const Shard& shard = shard_of(index);
  const std::uint64_t row = index - shard.first;
  const auto begin = load<std::uint64_t>(shard.image_offsets, row);
  const auto end = load<std::uint64_t>(shard.image_offsets, row + 1);
  if (begin > end || end > shard.images_bytes) {
    throw storage_error("{}: image offsets of sample {} are damaged: repack with clip_hpc pack", shard.path.native(),
                        row);
  }
  sample.image.resize(end - begin);
  pread_all(shard.file.get(), std::as_writable_bytes(std::span(sample.image)), shard.images_offset + begin,
            shard.path.native());
  read_captions(shard, row, sample.captions);
  if (hash_sample(sample.image.data(), sample.image.size(), sample.captions) !=
      load<std::uint64_t>(shard.hashes, row)) {
    throw storage_error("{}: sample {} does not match its checksum: copy the shard again or repack with clip_hpc pack",
                        shard.path.native(), row);
  }
  sample.width = load<std::uint32_t>(shard.widths, row);
  sample.height = load<std::uint32_t>(shard.heights, row);
  sample.uid = {load<std::uint64_t>(shard.uids, 2 * row), load<std::uint64_t>(shard.uids, 2 * row + 1)};
  for (const auto& [name, table] : shard.labels) sample.labels[name] = load<std::int32_t>(table, row);
}

RawSample PackedSet::read(std::uint64_t index) const {
  RawSample sample;
  read_into(index, sample);
  return sample;
}

std::string PackedSet::captions(std::uint64_t index) const {
  const Shard& shard = shard_of(index);
  std::string text;
  read_captions(shard, index - shard.first, text);
  return text;
}

std::array<std::uint64_t, 2> PackedSet::uid(std::uint64_t index) const {
  const Shard& shard = shard_of(index);
  const std::uint64_t row = index - shard.first;
  return {load<std::uint64_t>(shard.uids, 2 * row), load<std::uint64_t>(shard.uids, 2 * row + 1)};
}

std::int32_t PackedSet::label(const std::string& name, std::uint64_t index) const {
  const Shard& shard = shard_of(index);
  const auto found = shard.labels.find(name);
  if (found == shard.labels.end()) {
    throw input_error("{} has no labels named {}: it has [{}]", folder_.native(), name,
                      fmt::join(info_.label_names, ", "));
  }
  return load<std::int32_t>(found->second, index - shard.first);
}

std::vector<std::int32_t> PackedSet::all_labels(const std::string& name) const {
  std::vector<std::int32_t> labels(count());
  for (std::uint64_t i = 0; i < count(); ++i) labels[i] = label(name, i);
  return labels;
}

std::filesystem::path PackedSet::classnames_file(const std::string& label) const {
  const std::string suffix = label.starts_with("label_") ? label.substr(5) : "";
  return folder_ / ("classnames" + suffix + ".txt");
}

std::filesystem::path PackedSet::templates_file() const { return folder_ / "zeroshot_classification_templates.txt"; }

std::vector<std::string> PackedSet::classnames(const std::string& label) const {
  return read_lines(classnames_file(label));
}

std::vector<std::string> PackedSet::templates() const { return read_lines(templates_file()); }

void PackedSet::require_captions(const std::string& what, bool all) const {
  if (info_.max_captions == 0) {
    throw input_error(
        "{} has no captions, which {} needs: zero-shot classification, few-shot and linear probes can use it",
        folder_.native(), what);
  }
  if (all && info_.min_captions == 0) {
    throw input_error("{} has samples without a caption, and {} needs one for each: pack it again without them",
                      folder_.native(), what);
  }
}

std::string PackedSet::tables_checksum() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_) sum = xxh64(std::as_bytes(std::span(&shard.tables_xxh64, 1)), sum);
  return hex64(sum);
}

std::string PackedSet::checksum() const {
  std::string all;
  for (const ShardInfo& shard : info_.shards) all += shard.xxh64;
  return hex64(xxh64(std::as_bytes(std::span(all))));
}

std::vector<std::string> PackedSet::verify(int rank, int world) const {
  std::vector<std::string> problems;
  for (auto i = static_cast<std::size_t>(rank); i < shards_.size(); i += static_cast<std::size_t>(world)) {
    const std::string found = hex64(xxh64_of_file(shards_[i].path));
    if (found != info_.shards[i].xxh64) {
      problems.push_back(fmt::format("{}: checksum {} where dataset.json says {}", shards_[i].path.native(), found,
                                     info_.shards[i].xxh64));
    }
  }
  return problems;
}

}  // namespace clip_hpc
