// Packed sets, tar files, tables and images.
#include <array>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/resize.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/packed/scores.hpp"
#include "clip_hpc/data/packed/subset.hpp"
#include "clip_hpc/data/sources/csv.hpp"
#include "clip_hpc/data/sources/webdataset.hpp"
#include "data/sources/reading/tar_file.hpp"
#include "tests/campaign/fuzz/reader.hpp"

namespace clip_hpc::fuzz {
namespace {

namespace fs = std::filesystem;

Image small_image() {
  Image image;
  image.width = 6;
  image.height = 5;
  image.channels = 3;
  for (int i = 0; i < 6 * 5 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 31));
  return image;
}

// A set of four samples in one shard, with labels and two captions in one of them.
fs::path small_set(const fs::path& folder) {
  if (fs::exists(folder / "dataset.json")) return folder;
  DatasetInfo info;
  info.name = "small";
  SetWriter writer(folder, info);
  const std::vector<std::uint8_t> png = encode_png(small_image());
  for (std::uint64_t i = 0; i < 4; ++i) {
    PackedSample sample;
    sample.image = png;
    sample.captions = i == 2 ? "one\ntwo" : "caption";
    sample.width = 6;
    sample.height = 5;
    sample.uid = {i, i + 1};
    sample.labels["label"] = static_cast<std::int32_t>(i);
    writer.add(sample);
  }
  writer.finish();
  return folder;
}
fs::path shard_of(const fs::path& set) { return set / read_dataset_json(set).shards.at(0).file; }

void read_set(const fs::path& folder) {
  const PackedSet set(folder);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(set.count(), 8); ++i) {
    set.captions(i);
    set.uid(i);
    decode_stored(set.read(i).image);
  }
  for (const std::string& name : set.info().label_names) set.all_labels(name);
}

// The shard of a set whose dataset.json is whole.
void read_shard(std::string_view bytes, const fs::path& scratch) {
  const fs::path set = small_set(scratch / "set");
  static const fs::path shard = shard_of(set);
  write(shard, bytes);
  DatasetInfo info = read_dataset_json(set);
  info.shards[0].size_bytes = bytes.size();  // as whoever forges a shard would
  write_dataset_json(set, info);
  read_set(set);
}
std::vector<std::string> shard_seeds(const fs::path& scratch) {
  return {read_back(shard_of(small_set(scratch / "a")))};
}

// The other way round.
void read_index(std::string_view bytes, const fs::path& scratch) {
  const fs::path set = small_set(scratch / "set");
  write(set / "dataset.json", bytes);
  read_set(set);
}
std::vector<std::string> index_seeds(const fs::path& scratch) {
  return {read_back(small_set(scratch / "a") / "dataset.json")};
}

void read_subset_file(std::string_view bytes, const fs::path& scratch) {
  static const PackedSet set(small_set(scratch / "set"));
  read_subset(write(scratch / "subset.h5", bytes), set);
}
std::vector<std::string> subset_seeds(const fs::path& scratch) {
  const PackedSet set(small_set(scratch / "a"));
  write_subset(scratch / "subset.h5", set, {1, 3});
  return {read_back(scratch / "subset.h5")};
}
void read_scores_file(std::string_view bytes, const fs::path& scratch) {
  static const PackedSet set(small_set(scratch / "set"));
  read_scores(write(scratch / "scores.h5", bytes), set);
}
std::vector<std::string> scores_seeds(const fs::path& scratch) {
  const PackedSet set(small_set(scratch / "a"));
  write_scores(scratch / "scores.h5", set, std::array{0.5F, 0.25F, 0.F, 1.F}, {{"model", "a"}});
  return {read_back(scratch / "scores.h5")};
}

void read_source(const PackSource& source) {
  const PackSink sink{.add = [](const std::string&, const PackedSample&) {},
                      .skip = [](const std::string&, const std::string&) {},
                      .warn = [](const std::string&, const std::string&) {}};
  for (std::uint64_t part = 0; part < source.parts; ++part) source.read_part(part, sink);
}

void read_tar_files(std::string_view bytes, const fs::path& scratch) {
  read_source(open_webdataset({.inputs = {write(scratch / "a.tar", bytes)}}));
}
std::vector<std::string> tar_seeds(const fs::path& scratch) {
  const std::vector<std::uint8_t> png = encode_png(small_image());
  TarWriter tar(scratch / "a.tar");
  for (const char* key : {"000", "001", "sub/002"}) {
    tar.add(std::string(key) + ".png", {reinterpret_cast<const char*>(png.data()), png.size()});
    tar.add(std::string(key) + ".txt", "a caption");
    tar.add(std::string(key) + ".json", R"({"uid": "0123456789abcdef0123456789abcdef", "caption": "b"})");
    tar.add(std::string(key) + ".cls", "3");
  }
  tar.finish();
  return {read_back(scratch / "a.tar")};
}

void read_csv_file(std::string_view bytes, const fs::path& scratch) {
  read_source(open_csv({.inputs = {write(scratch / "a.csv", bytes)}}));
}
std::vector<std::string> csv_seeds(const fs::path&) {
  return {"filepath\ttitle\na.png\tone\nb.png\t\"two \"\"quoted\"\"\nlines\"\n",
          "title\tother\tfilepath\r\na\tb\tc.jpg\r\n"};
}

// What an image goes through on its way into a batch.
void read_image(std::string_view bytes, const fs::path&) {
  const std::span file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  probe_size(file);
  const Image stored = decode_stored(file, 4);
  if (stored.width < 1 || stored.height < 1) throw internal_error("an image without pixels");
  decode_image(file);
}
std::vector<std::string> image_seeds(const fs::path&) {
  std::vector<std::string> all;
  for (const auto& file : {encode_png(small_image()), encode_jpeg(small_image(), 90)})
    all.emplace_back(file.begin(), file.end());
  return all;
}

constexpr Reader kDataReaders[] = {
    {"shard", shard_seeds, read_shard},         {"index", index_seeds, read_index},
    {"subset", subset_seeds, read_subset_file}, {"scores", scores_seeds, read_scores_file},
    {"tar", tar_seeds, read_tar_files},         {"csv", csv_seeds, read_csv_file},
    {"image", image_seeds, read_image},
};

}  // namespace

std::span<const Reader> data_readers() { return kDataReaders; }

}  // namespace clip_hpc::fuzz
