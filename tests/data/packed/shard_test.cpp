#include "clip_hpc/data/packed/shard.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;
using test::grey_sample;
using test::make_set;
using test::TempFolder;

TEST(Shard, RoundTripOverSeveralShardsFromSeveralThreads) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 257, 100);
  EXPECT_EQ(set->count(), 257U);
  EXPECT_EQ(set->info().shards.size(), 3U);
  EXPECT_EQ(set->info().label_names, std::vector<std::string>{"label"});
  EXPECT_EQ(set->info().min_side, 8U);
  EXPECT_EQ(set->info().max_side, 10U);
  const auto check_all = [&] {
    for (std::uint64_t i = 0; i < 257; ++i) {
      const PackedSample want = grey_sample(i);
      const RawSample got = set->read(i);
      EXPECT_EQ(got.image, want.image);
      EXPECT_EQ(got.captions, want.captions);
      EXPECT_EQ(got.width, want.width);
      EXPECT_EQ(got.height, want.height);
      EXPECT_EQ(got.uid, want.uid);
      EXPECT_EQ(got.labels, want.labels);
      EXPECT_EQ(set->captions(i), want.captions);
      EXPECT_EQ(set->label("label", i), want.labels.at("label"));
    }
  };
  const std::jthread other(check_all);
  check_all();
  EXPECT_TRUE(set->verify().empty());
  expect_error(ErrorKind::input, {"257"}, [&] { set->read(257); });
  expect_error(ErrorKind::input, {"label_x", "label"}, [&] { set->label("label_x", 0); });
}

TEST(Shard, SameSamplesGiveTheSameBytes) {
  const TempFolder folder;
  const auto first = make_set(folder / "a", 150, 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's times count in seconds
  const auto second = make_set(folder / "b", 150, 100);
  EXPECT_EQ(first->checksum(), second->checksum());
  EXPECT_EQ(read_text_file(folder / "a/shard_00000.h5"), read_text_file(folder / "b/shard_00000.h5"));
  EXPECT_NE(first->checksum(), make_set(folder / "c", 151, 100)->checksum());
}

TEST(Shard, HoldsEmptyAndSeveralCaptions) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 3, 10, "raw", [](std::uint64_t i) {
    PackedSample sample = grey_sample(i);
    sample.captions = i == 1 ? "one\ntwo\n" : "";
    return sample;
  });
  EXPECT_EQ(set->read(0).captions, "");
  EXPECT_EQ(split_captions(set->read(1).captions), (std::vector<std::string>{"one", "two", ""}));
  const auto bare = make_set(folder / "bare", 2, 10, "raw", [](std::uint64_t i) {
    PackedSample sample = grey_sample(i);
    sample.captions.clear();
    return sample;
  });
  EXPECT_EQ(bare->read(1).captions, "");
}

TEST(Shard, RefusesSamplesThatDoNotFit) {
  const TempFolder folder;
  ShardWriter writer(folder / "s.h5", "raw", 1);
  writer.add(grey_sample(0));
  PackedSample short_image = grey_sample(1);
  short_image.image.pop_back();
  expect_error(ErrorKind::input, {"raw image"}, [&] { writer.add(short_image); });
  PackedSample other_label = grey_sample(1);
  other_label.labels = {{"label_x", 1}};
  expect_error(ErrorKind::input, {"same labels"}, [&] { writer.add(other_label); });
  expect_error(ErrorKind::input, {"without an image"}, [&] { writer.add({}); });
  EXPECT_EQ(writer.count(), 1U);
  expect_error(ErrorKind::input, {"jpeg"}, [&] { ShardWriter(folder / "t.h5", "jpeg", 3); });
  expect_error(ErrorKind::input, {"channels"}, [&] { ShardWriter(folder / "t.h5", "mixed", 1); });
  expect_error(ErrorKind::input, {"no sample"}, [&] { SetWriter(folder / "empty", {}).finish(); });
  make_set(folder / "set", 1);
  expect_error(ErrorKind::input, {"already"}, [&] { SetWriter(folder / "set", {}); });
}

TEST(Shard, DamageIsFoundAndNamed) {
  const TempFolder folder;
  make_set(folder / "set", 20);
  const std::filesystem::path set = folder / "set", shard = set / "shard_00000.h5";
  const auto original = read_text_file(shard);
  const auto region = [&](const char* name, std::size_t element) {
    return region_of(open_hdf5(shard), name, element, shard).offset_bytes;
  };
  const std::uint64_t widths = region("width", 4), images = region("images", 1);

  test::flip_byte(shard, widths + 5);  // a table: found on opening
  expect_error(ErrorKind::storage, {"shard_00000.h5", "checksum", "repack"}, [&] { PackedSet{set}; });
  write_file_atomic(shard, original);

  test::flip_byte(shard, images + 3);  // an image: found on reading it, and by verify
  const PackedSet damaged(set);
  expect_error(ErrorKind::storage, {"shard_00000.h5", "sample 0", "checksum"}, [&] { damaged.read(0); });
  EXPECT_EQ(damaged.read(1).image, grey_sample(1).image);
  ASSERT_EQ(damaged.verify().size(), 1U);
  EXPECT_NE(damaged.verify()[0].find("shard_00000.h5"), std::string::npos);

  write_file_atomic(shard, original.substr(0, original.size() / 2));
  expect_error(ErrorKind::storage, {"shard_00000.h5", "truncated"}, [&] { PackedSet{set}; });
  std::filesystem::remove(shard);
  expect_error(ErrorKind::storage, {"shard_00000.h5", "missing"}, [&] { PackedSet{set}; });
  std::filesystem::remove(set / "dataset.json");
  expect_error(ErrorKind::storage, {"dataset.json", "clip_hpc pack"}, [&] { PackedSet{set}; });
}

TEST(Shard, DatasetJsonIsChecked) {
  const TempFolder folder;
  make_set(folder / "set", 20);
  const std::filesystem::path path = folder / "set/dataset.json";
  const Json good = read_json_file(path);
  const auto with = [&](const char* name, const Json& value) {
    Json changed = good;
    changed[name] = value;
    write_json_file(path, changed);
  };
  with("schema_version", 2);
  expect_error(ErrorKind::storage, {"schema version 2", "repack"}, [&] { PackedSet{folder / "set"}; });
  with("count", 21);
  expect_error(ErrorKind::storage, {"20", "21"}, [&] { PackedSet{folder / "set"}; });
  with("encoding", "mixed");
  expect_error(ErrorKind::storage, {"does not fit"}, [&] { PackedSet{folder / "set"}; });
  with("shards", Json::array());
  expect_error(ErrorKind::storage, {"0 samples"}, [&] { PackedSet{folder / "set"}; });
  with("name", 3);
  expect_error(ErrorKind::storage, {"\"name\""}, [&] { PackedSet{folder / "set"}; });
}

TEST(Shard, ChunkedShardsAreRefused) {
  const TempFolder folder;
  const std::filesystem::path path = folder / "chunked.h5";
  {
    const Hid file = create_hdf5(path);
    const hsize_t size = 64;
    const Hid space(H5Screate_simple(1, &size, nullptr), H5Sclose);
    const Hid creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(creation.get(), 1, &size);
    const Hid data(
        H5Dcreate2(file.get(), "images", H5T_STD_U8LE, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
        H5Dclose);
  }
  expect_error(ErrorKind::storage, {"chunked.h5", "contiguous", "clip_hpc pack"},
               [&] { region_of(open_hdf5(path), "images", 1, path); });
}

TEST(Shard, ReadsClassNamesAndTemplates) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 1);
  expect_error(ErrorKind::storage, {"classnames.txt"}, [&] { set->classnames(); });
  write_file_atomic(folder / "set/classnames.txt", "cat\r\ndog\n");
  write_file_atomic(folder / "set/classnames_face.txt", "serif\n");
  write_file_atomic(folder / "set/zeroshot_classification_templates.txt", "a {c}.\n");
  EXPECT_EQ(set->classnames(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(set->classnames("label_face"), std::vector<std::string>{"serif"});
  EXPECT_EQ(set->templates(), std::vector<std::string>{"a {c}."});
}

}  // namespace
}  // namespace clip_hpc
