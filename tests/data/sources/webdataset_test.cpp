#include "clip_hpc/data/sources/webdataset.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "clip_hpc/data/image/decode.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using Entry = std::pair<std::string, std::string>;  // path, bytes

void write_tar(const std::filesystem::path& path, const std::vector<Entry>& entries) {
  archive* tar = archive_write_new();
  archive_write_set_format_pax_restricted(tar);
  ASSERT_EQ(archive_write_open_filename(tar, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, bytes] : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(tar, entry);
    archive_write_data(tar, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(tar);
}

std::string jpeg(int width, int height) {
  const Image image{width, height, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 90)};
  const auto bytes = encode_jpeg(image, 90);
  return {bytes.begin(), bytes.end()};
}

std::string png(int width, int height) {
  const Image image{width, height, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 40)};
  const auto bytes = encode_png(image);
  return {bytes.begin(), bytes.end()};
}

PackedSet pack_all(const PackSource& source, const std::filesystem::path& folder,
                   std::vector<PackedPart>* parts = nullptr) {
  prepare_set_folder(folder);
  std::vector<PackedPart> packed;
  for (std::uint64_t part = source.parts; part-- > 0;) packed.push_back(pack_part(source, part, folder));  // any order
  if (parts != nullptr) *parts = packed;
  finish_set(source, packed, folder);
  return PackedSet(folder);
}

TEST(WebDataset, OneTarBecomesOneShardAndSamplesKeepTheirOrder) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder / "tars");
  write_tar(folder / "tars" / "00001.tar",
            {{"a/7.jpg", jpeg(20, 10)}, {"a/7.txt", " a cat\non a mat \n"}, {"a/7.cls", "3"}});
  write_tar(folder / "tars" / "00000.tar",
            {{"x.JSON", R"({"caption": "from json", "uid": "000000000000000a00000000000000ff"})"},
             {"x.png", png(8, 9)},
             {"x.cls", "1"},
             {"y.z.txt", "the key ends at the first dot"},
             {"y.webp.txt", "not a picture"},
             {"y.jpg", jpeg(12, 12)},
             {"y.txt", "second"},
             {"y.cls", "2\n"}});
  const PackedSet set = pack_all(open_webdataset({.inputs = {folder / "tars"}}), folder / "packed");
  ASSERT_EQ(set.count(), 3U);
  EXPECT_EQ(set.info().shards.size(), 2U);
  EXPECT_EQ(set.captions(0), "from json");
  EXPECT_EQ(set.uid(0), (std::array<std::uint64_t, 2>{10, 255}));
  EXPECT_EQ(set.captions(1), "second");
  EXPECT_EQ(set.captions(2), "a cat on a mat");
  EXPECT_EQ(set.all_labels("label"), (std::vector<std::int32_t>{1, 2, 3}));
  const RawSample cat = set.read(2);
  EXPECT_EQ(std::string(cat.image.begin(), cat.image.end()), jpeg(20, 10));  // the bytes of the tar, not coded again
  EXPECT_EQ(cat.width, 20U);
  EXPECT_NE(set.uid(1), set.uid(2));
}

TEST(WebDataset, LargePicturesAreScaledToTheShortSide) {
  const test::TempFolder folder;
  write_tar(folder / "a.tar", {{"1.jpg", jpeg(64, 32)},
                               {"1.txt", "wide"},
                               {"2.jpg", jpeg(30, 90)},
                               {"2.txt", "tall"},
                               {"3.jpg", jpeg(16, 12)},
                               {"3.txt", "small"}});
  const PackedSet set = pack_all(open_webdataset({.inputs = {folder / "a.tar"}, .size = 16}), folder / "packed");
  const auto size = [&](std::uint64_t i) { return std::pair{set.read(i).width, set.read(i).height}; };
  EXPECT_EQ(size(0), (std::pair{32U, 16U}));
  EXPECT_EQ(size(1), (std::pair{16U, 48U}));
  EXPECT_EQ(size(2), (std::pair{16U, 12U}));
  EXPECT_EQ(decode_image(set.read(1).image).height, 48);
}

TEST(WebDataset, WhatCannotBeASampleIsSkippedWithItsReason) {
  const test::TempFolder folder;
  const std::string cut = jpeg(64, 64).substr(0, 400);
  write_tar(folder / "a.tar", {{"1.jpg", jpeg(9, 9)},
                               {"2.txt", "no picture"},
                               {"3.jpg", cut},
                               {"3.txt", "cut off"},
                               {"4.jpg", jpeg(9, 9)},
                               {"4.txt", "good"}});
  std::vector<PackedPart> parts;
  const PackedSet set = pack_all(open_webdataset({.inputs = {folder / "a.tar"}}), folder / "packed", &parts);
  EXPECT_EQ(set.count(), 1U);
  EXPECT_EQ(set.captions(0), "good");
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].skipped, 3U);
  ASSERT_EQ(parts[0].reasons.size(), 3U);
  EXPECT_NE(parts[0].reasons[0].find("a.tar/1: no caption"), std::string::npos) << parts[0].reasons[0];
  EXPECT_NE(parts[0].reasons[1].find("a.tar/2: no jpg"), std::string::npos) << parts[0].reasons[1];
  EXPECT_NE(parts[0].reasons[2].find("a.tar/3: undecodable JPEG"), std::string::npos) << parts[0].reasons[2];
}

TEST(WebDataset, MissingAndBrokenTarsAreNamed) {
  const test::TempFolder folder;
  test::expect_error(ErrorKind::input, {"nowhere", "does not exist"},
                     [&] { open_webdataset({.inputs = {folder / "nowhere"}}); });
  std::filesystem::create_directories(folder / "empty");
  test::expect_error(ErrorKind::input, {"no .tar"}, [&] { open_webdataset({.inputs = {folder / "empty"}}); });
  write_tar(folder / "a.tar", {{"1.jpg", jpeg(64, 64)}, {"1.txt", "one"}});
  std::filesystem::resize_file(folder / "a.tar", 900);
  const PackSource source = open_webdataset({.inputs = {folder / "a.tar"}});
  prepare_set_folder(folder / "packed");
  test::expect_error(ErrorKind::storage, {"a.tar", "broken tar"}, [&] { pack_part(source, 0, folder / "packed"); });
}

}  // namespace
}  // namespace clip_hpc
