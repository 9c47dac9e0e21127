#include "clip_hpc/data/packed/shard.hpp"

#include <fmt/format.h>
#define XXH_STATIC_LINKING_ONLY  // the state on the stack
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"

namespace clip_hpc {
namespace {

static_assert(std::endian::native == std::endian::little, "shard tables are little-endian and mapped as they are");

template <class T>
std::uint64_t chained_hash(const std::vector<T>& values, std::uint64_t seed) {
  return xxh64(std::as_bytes(std::span(values)), seed);
}

template <class T>
T field(const Json& json, const char* name, const std::filesystem::path& path) {
  try {
    return json.at(name).get<T>();
  } catch (const nlohmann::json::exception&) {
    throw storage_error("{}: field \"{}\" is missing or has the wrong type: repack the set with clip_hpc pack",
                        path.native(), name);
  }
}

}  // namespace

std::uint64_t hash_sample(const std::uint8_t* image, std::size_t image_bytes, const std::string& captions) {
  return XXH3_64bits_withSeed(captions.data(), captions.size(), XXH3_64bits(image, image_bytes));
}

std::vector<std::string> split_captions(const std::string& captions) {
  std::vector<std::string> all;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = captions.find('\n', begin);
    all.push_back(captions.substr(begin, end - begin));
    if (end == std::string::npos) return all;
    begin = end + 1;
  }
}

void write_dataset_json(const std::filesystem::path& folder, const DatasetInfo& info) {
  Json json;
  json["name"] = info.name;
  json["schema_version"] = kShardSchemaVersion;
  json["count"] = info.count;
  json["encoding"] = info.encoding;
  json["channels"] = info.channels;
  json["image_sides"] = {{"min", info.min_side}, {"max", info.max_side}};
  json["captions_per_sample"] = {{"min", info.min_captions}, {"max", info.max_captions}};
  json["label_names"] = info.label_names;
  json["source"] = info.source;
  json["licence"] = info.licence;
  if (!info.recipe.empty()) json["recipe"] = info.recipe;
  json["shards"] = Json::array();
  for (const ShardInfo& shard : info.shards) {
    json["shards"].push_back(
        {{"file", shard.file}, {"count", shard.count}, {"bytes", shard.size_bytes}, {"xxh64", shard.xxh64}});
  }
  write_json_file(folder / "dataset.json", json);
}

DatasetInfo read_dataset_json(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "dataset.json";
  if (!std::filesystem::exists(path)) {
    throw storage_error("{} is no packed set (it has no dataset.json): make one with clip_hpc pack --output {}{}",
                        folder.native(), folder.native(), packed_hint(folder));
  }
  Json json;
  try {
    json = read_json_file(path);
  } catch (const Error& problem) {
    throw storage_error("{}; the set is damaged: copy it again or repack with clip_hpc pack", problem.what());
  }
  const auto version = field<std::uint64_t>(json, "schema_version", path);
  if (version != kShardSchemaVersion) {
    throw storage_error("{} has schema version {}, this program reads {}: repack the set with clip_hpc pack",
                        path.native(), version, kShardSchemaVersion);
  }
  DatasetInfo info;
  info.name = field<std::string>(json, "name", path);
  info.count = field<std::uint64_t>(json, "count", path);
  info.encoding = field<std::string>(json, "encoding", path);
  info.channels = field<int>(json, "channels", path);
  const auto sides = field<Json>(json, "image_sides", path);
  info.min_side = field<std::uint32_t>(sides, "min", path);
  info.max_side = field<std::uint32_t>(sides, "max", path);
  const auto captions = field<Json>(json, "captions_per_sample", path);
  info.min_captions = field<std::uint64_t>(captions, "min", path);
  info.max_captions = field<std::uint64_t>(captions, "max", path);
  info.label_names = field<std::vector<std::string>>(json, "label_names", path);
  info.source = field<std::string>(json, "source", path);
  info.licence = field<std::string>(json, "licence", path);
  if (json.contains("recipe")) info.recipe = field<std::string>(json, "recipe", path);
  std::uint64_t total = 0;
  for (const Json& shard : field<Json>(json, "shards", path)) {
    info.shards.push_back({field<std::string>(shard, "file", path), field<std::uint64_t>(shard, "count", path),
                           field<std::uint64_t>(shard, "bytes", path), field<std::string>(shard, "xxh64", path)});
    total += info.shards.back().count;
    if (const std::string& file = info.shards.back().file; std::filesystem::path(file).filename() != file) {
      throw storage_error("{}: a shard lies beside it, not at \"{}\": repack the set with clip_hpc pack", path.native(),
                          file);
    }
  }
  if (total == 0 || total != info.count) {
    throw storage_error("{}: the shards hold {} samples, \"count\" says {}: repack the set with clip_hpc pack",
                        path.native(), total, info.count);
  }
  return info;
}

ShardWriter::ShardWriter(std::filesystem::path path, std::string encoding, int channels)
    : path_(std::move(path)), encoding_(std::move(encoding)), channels_(channels) {
  if (encoding_ != "mixed" && encoding_ != "raw") {
    throw input_error("a shard's encoding is \"mixed\" or \"raw\", not \"{}\"", encoding_);
  }
  if (channels_ != 3 && !(channels_ == 1 && encoding_ == "raw")) {
    throw input_error("{} images have 3 channels (raw: 1 or 3), not {}", encoding_, channels_);
  }
}

void ShardWriter::add(const PackedSample& sample) {
  if (sample.image.empty() || sample.width == 0 || sample.height == 0) {
    throw input_error("a sample without an image cannot be packed (caption \"{}\")", sample.captions);
  }
  const std::uint64_t pixels_bytes =
      std::uint64_t{sample.width} * sample.height * static_cast<std::uint64_t>(channels_);
  if (encoding_ == "raw" && sample.image.size() != pixels_bytes) {
    throw input_error("a raw image of {} x {} x {} has {} bytes, got {}", sample.width, sample.height, channels_,
                      pixels_bytes, sample.image.size());
  }
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (count() > 0 && !std::ranges::equal(labels_, sample.labels, same_name)) {
    throw input_error("all samples of a set need the same labels; sample {} of {} differs", count(), path_.native());
  }
  for (const auto& [name, value] : sample.labels) {
    if (name != "label" && !name.starts_with("label_")) {
      throw input_error("a label is named \"label\" or \"label_<name>\", not \"{}\"", name);
    }
    labels_[name].push_back(value);
  }
  images_.insert(images_.end(), sample.image.begin(), sample.image.end());
  captions_ += sample.captions;
  image_offsets_.push_back(images_.size());
  caption_offsets_.push_back(captions_.size());
  widths_.push_back(sample.width);
  heights_.push_back(sample.height);
  hashes_.push_back(hash_sample(sample.image.data(), sample.image.size(), sample.captions));
  uids_.insert(uids_.end(), sample.uid.begin(), sample.uid.end());
}

std::vector<std::string> ShardWriter::label_names() const {
  std::vector<std::string> names;
  for (const auto& entry : labels_) names.push_back(entry.first);
  return names;
}

ShardInfo ShardWriter::finish() {
  if (count() == 0) throw input_error("{} would hold no sample: nothing to pack", path_.native());
  const std::filesystem::path beside = path_.native() + ".tmp";
  const std::uint64_t n = count();
  {
    Hid file = create_hdf5(beside);
    // In the order in which the reader chains the hash.
    std::uint64_t tables = chained_hash(image_offsets_, 0);
    tables = chained_hash(caption_offsets_, tables);
    tables = chained_hash(widths_, tables);
    tables = chained_hash(heights_, tables);
    tables = chained_hash(hashes_, tables);
    tables = chained_hash(uids_, tables);
    for (const auto& entry : labels_) tables = chained_hash(entry.second, tables);
    write_attribute(file, "schema_version", kShardSchemaVersion, path_);
    write_attribute(file, "encoding", encoding_, path_);
    write_attribute(file, "channels", static_cast<std::uint64_t>(channels_), path_);
    write_attribute(file, "count", n, path_);
    write_attribute(file, "tables_xxh64", tables, path_);
    write_dataset(file, "image_offsets", H5T_STD_U64LE, n + 1, 0, image_offsets_.data(), path_);
    write_dataset(file, "caption_offsets", H5T_STD_U64LE, n + 1, 0, caption_offsets_.data(), path_);
    write_dataset(file, "width", H5T_STD_U32LE, n, 0, widths_.data(), path_);
    write_dataset(file, "height", H5T_STD_U32LE, n, 0, heights_.data(), path_);
    write_dataset(file, "xxh3", H5T_STD_U64LE, n, 0, hashes_.data(), path_);
    write_dataset(file, "uid", H5T_STD_U64LE, n, 2, uids_.data(), path_);
    for (const auto& [name, values] : labels_) write_dataset(file, name, H5T_STD_I32LE, n, 0, values.data(), path_);
    // An empty dataset has no place in the file, so captions hold at least one byte (c_str ends with one).
    write_dataset(file, "captions", H5T_STD_U8LE, std::max<std::uint64_t>(captions_.size(), 1), 0, captions_.c_str(),
                  path_);
    write_dataset(file, "images", H5T_STD_U8LE, images_.size(), 0, images_.data(), path_);
    if (!file.close()) throw storage_error("cannot finish {}: is the disk full?", beside.native());
  }
  sync_path(beside);
  ShardInfo info{path_.filename().native(), n, std::filesystem::file_size(beside), hex64(xxh64_of_file(beside))};
  rename_synced(beside, path_);
  return info;
}

SetWriter::SetWriter(std::filesystem::path folder, DatasetInfo info, SetLimits limits)
    : folder_(std::move(folder)), info_(std::move(info)), limits_(limits) {
  if (std::filesystem::exists(folder_ / "dataset.json")) {
    throw input_error("{} already holds a packed set: give another output folder or remove it", folder_.native());
  }
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
  if (code) throw storage_error("cannot create the folder {}: {}", folder_.native(), code.message());
  info_.shards.clear();
  info_.count = 0;
  info_.min_side = std::numeric_limits<std::uint32_t>::max();
  info_.min_captions = std::numeric_limits<std::uint64_t>::max();
}

void SetWriter::add(const PackedSample& sample) {
  if (open_.empty()) {
    open_.emplace_back(folder_ / fmt::format("shard_{:05}.h5", info_.shards.size()), info_.encoding, info_.channels);
  }
  open_.front().add(sample);
  const auto captions =
      static_cast<std::uint64_t>(std::ranges::count(sample.captions, '\n')) + (sample.captions.empty() ? 0U : 1U);
  info_.min_side = std::min({info_.min_side, sample.width, sample.height});
  info_.max_side = std::max({info_.max_side, sample.width, sample.height});
  info_.min_captions = std::min(info_.min_captions, captions);
  info_.max_captions = std::max(info_.max_captions, captions);
  if (open_.front().count() >= limits_.samples_per_shard || open_.front().bytes() >= limits_.bytes_per_shard) {
    finish_shard();
  }
}

void SetWriter::finish_shard() {
  const std::vector<std::string> names = open_.front().label_names();
  if (!info_.shards.empty() && names != info_.label_names) {
    throw input_error("all samples of a set need the same labels; shard {} of {} differs", info_.shards.size(),
                      folder_.native());
  }
  info_.label_names = names;
  info_.shards.push_back(open_.front().finish());
  info_.count += info_.shards.back().count;
  open_.clear();
}

DatasetInfo SetWriter::finish() {
  if (!open_.empty()) finish_shard();
  if (info_.count == 0) throw input_error("no sample to pack into {}: check the input", folder_.native());
  write_dataset_json(folder_, info_);
  return info_;
}

}  // namespace clip_hpc
