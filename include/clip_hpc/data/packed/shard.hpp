// Writing packed sets: HDF5 shards and dataset.json. The same samples give the same bytes.
//
// Shard: images u8, image_offsets u64[n+1], captions u8, caption_offsets u64[n+1], width and height u32[n], xxh3
// u64[n] (of the captions, seeded with that of the image), uid u64[n][2], label* i32[n]. Root attributes:
// schema_version, encoding, channels, count, tables_xxh64. A sample's captions are joined by '\n'.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace clip_hpc {

inline constexpr std::uint64_t kShardSchemaVersion = 1;

struct PackedSample {
  std::vector<std::uint8_t> image;  // a JPEG, PNG or WebP file, or raw pixels [height, width, channels]
  std::string captions;             // one or more, joined by '\n'
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::array<std::uint64_t, 2> uid{};
  std::map<std::string, std::int32_t> labels;  // "label" or "label_<name>"; the same names in all samples of a set
};

struct ShardInfo {
  std::string file;  // relative to the folder of the set
  std::uint64_t count = 0;
  std::uint64_t size_bytes = 0;
  std::string xxh64;  // of the whole file
};

struct DatasetInfo {
  std::string name;
  std::uint64_t count = 0;
  std::string encoding = "mixed";  // "mixed": the bytes' magic tells the format; "raw"
  int channels = 3;                // 1 or 3; 1 for raw only
  std::vector<ShardInfo> shards;
  std::string source;
  std::string licence;
  std::uint32_t min_side = 0, max_side = 0;          // of all images, in pixels
  std::uint64_t min_captions = 0, max_captions = 0;  // of one sample
  std::vector<std::string> label_names;
  std::string recipe;  // names input and options; empty: not known
};

void write_dataset_json(const std::filesystem::path& folder, const DatasetInfo& info);
DatasetInfo read_dataset_json(const std::filesystem::path& folder);  // throws storage

// One shard. Samples are held in memory until finish() writes them beside, syncs and renames.
class ShardWriter {
 public:
  ShardWriter(std::filesystem::path path, std::string encoding, int channels);
  void add(const PackedSample& sample);  // throws input for a sample that the format cannot hold
  std::uint64_t count() const { return widths_.size(); }
  std::uint64_t bytes() const { return images_.size() + captions_.size(); }
  std::vector<std::string> label_names() const;
  ShardInfo finish();

 private:
  std::filesystem::path path_;
  std::string encoding_;
  int channels_;
  std::vector<std::uint8_t> images_;
  std::string captions_;
  std::vector<std::uint64_t> image_offsets_{0}, caption_offsets_{0}, hashes_, uids_;
  std::vector<std::uint32_t> widths_, heights_;
  std::map<std::string, std::vector<std::int32_t>> labels_;
};

struct SetLimits {
  std::uint64_t samples_per_shard = 65536;
  std::uint64_t bytes_per_shard = std::uint64_t{1} << 30;
};

// A whole folder: starts a new shard when one is full, and writes dataset.json last. A folder without it is no set.
class SetWriter {
 public:
  SetWriter(std::filesystem::path folder, DatasetInfo info, SetLimits limits = {});  // name, encoding, channels, ...
  void add(const PackedSample& sample);
  DatasetInfo finish();  // throws input when no sample was added

 private:
  void finish_shard();
  std::filesystem::path folder_;
  DatasetInfo info_;
  SetLimits limits_;
  std::vector<ShardWriter> open_;  // none or one
};

std::uint64_t hash_sample(const std::uint8_t* image, std::size_t image_bytes, const std::string& captions);
std::vector<std::string> split_captions(const std::string& captions);

}  // namespace clip_hpc
