// Reading packed sets. Offsets come once through HDF5; after that every read is a pread and any thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/packed/shard.hpp"

namespace clip_hpc {

using RawSample = PackedSample;

// A file mapped for reading. The tables of all ranks of a node share these pages.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  const std::byte* data() const { return data_; }
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  const std::byte* data_ = nullptr;
  std::uint64_t size_bytes_ = 0;
};

class PackedSet {
 public:
  explicit PackedSet(const std::filesystem::path& folder);  // throws storage, naming the file and what to do

  const std::filesystem::path& folder() const { return folder_; }
  const DatasetInfo& info() const { return info_; }
  std::uint64_t count() const { return info_.count; }
  bool is_raw() const { return info_.encoding == "raw"; }
  std::string checksum() const;         // of all shards, as dataset.json has them; names this very set
  std::string tables_checksum() const;  // of the tables in the shards themselves: hashes of all samples, uids, labels
  // Throws input where no sample has a caption, or where `all` is wanted and some have none. what: "training".
  void require_captions(const std::string& what, bool all = false) const;

  // Thread-safe; index < count(). Reads check the sample's hash and throw storage when it is wrong.
  RawSample read(std::uint64_t index) const;
  void read_into(std::uint64_t index, RawSample& sample) const;  // keeps the buffers of `sample`
  std::string captions(std::uint64_t index) const;               // joined by '\n'; not checked
  std::array<std::uint64_t, 2> uid(std::uint64_t index) const;
  std::int32_t label(const std::string& name, std::uint64_t index) const;  // throws input for an unknown name
  std::vector<std::int32_t> all_labels(const std::string& name) const;

  // CLIP_benchmark's side files: classnames.txt, classnames_<name>.txt for label_<name>, and the templates with {c}.
  // Throws storage where they are not there.
  std::vector<std::string> classnames(const std::string& label = "label") const;
  std::vector<std::string> templates() const;
  std::filesystem::path classnames_file(const std::string& label) const;
  std::filesystem::path templates_file() const;

  // Reads shards again, every `world`-th beginning with `rank`; one line for each damaged shard, none when all is well.
  std::vector<std::string> verify(int rank = 0, int world = 1) const;

 private:
  struct Shard {
    std::filesystem::path path;
    FileDescriptor file;
    MappedFile map;
    std::uint64_t first = 0, count = 0;  // samples
    std::uint64_t tables_xxh64 = 0;
    std::uint64_t images_offset = 0, images_bytes = 0, captions_offset = 0, captions_bytes = 0;
    const std::byte *image_offsets = nullptr, *caption_offsets = nullptr, *widths = nullptr, *heights = nullptr,
                    *hashes = nullptr, *uids = nullptr;
    std::map<std::string, const std::byte*> labels;
  };
  Shard open_shard(const ShardInfo& info, std::uint64_t first) const;
  const Shard& shard_of(std::uint64_t index) const;
  void read_captions(const Shard& shard, std::uint64_t row, std::string& into) const;

  std::filesystem::path folder_;
  DatasetInfo info_;
  std::vector<Shard> shards_;
};

}  // namespace clip_hpc
