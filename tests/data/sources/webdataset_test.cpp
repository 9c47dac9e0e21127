#include "clip_hpc/data/sources/webdataset.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <set>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/data/image/claimed_sizes.hpp"

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
  const std::vector<std::uint8_t> vast = test::png_that_claims(1, 400'000'000);
  write_tar(folder / "a.tar", {{"1.jpg", jpeg(9, 9)},
                               {"2.txt", "no picture"},
                               {"3.jpg", cut},
                               {"3.txt", "cut off"},
                               {"4.jpg", jpeg(9, 9)},
                               {"4.txt", "good"},
                               {"5.png", {vast.begin(), vast.end()}},
                               {"5.txt", "a claim"}});
  std::vector<PackedPart> parts;
  const PackedSet set = pack_all(open_webdataset({.inputs = {folder / "a.tar"}}), folder / "packed", &parts);
  EXPECT_EQ(set.count(), 1U);
  EXPECT_EQ(set.captions(0), "good");
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].skipped.total(), 4U);
  const std::string report = read_text_file(folder / "packed" / kPackReportName);
  EXPECT_NE(report.find("skipped\ta.tar/1\tno caption"), std::string::npos) << report;
  EXPECT_NE(report.find("skipped\ta.tar/2\tno image"), std::string::npos) << report;
  EXPECT_NE(report.find("skipped\ta.tar/3\tundecodable JPEG"), std::string::npos) << report;
  EXPECT_NE(report.find("skipped\ta.tar/5\tundecodable PNG image: 1 x 400000000 pixels (limit"), std::string::npos)
      << report;
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
  const PackedPart part = pack_part(source, 0, folder / "packed");
  EXPECT_NE(part.broken.find("a.tar"), std::string::npos) << part.broken;
  EXPECT_NE(part.broken.find("1.jpg"), std::string::npos) << part.broken;
}

// What pack_all has to say, of one tar with these entries.
class PackedTar {
 public:
  explicit PackedTar(const std::vector<Entry>& entries, const WebDatasetOptions& options = {}) {
    write_tar(folder_ / "a.tar", entries);
    pack(options);
  }
  std::uint64_t count() const { return set_ != nullptr ? set_->count() : 0; }
  const PackedSet& set() const { return *set_; }
  const PackedPart& part() const { return parts_.front(); }
  std::string report() const { return read_text_file(folder_ / "packed" / kPackReportName); }

 private:
  void pack(WebDatasetOptions options) {
    options.inputs = {folder_ / "a.tar"};
    try {
      set_ = std::make_unique<PackedSet>(pack_all(open_webdataset(options), folder_ / "packed", &parts_));
    } catch (const Error&) {  // nothing could be packed
    }
  }
  test::TempFolder folder_;
  std::vector<PackedPart> parts_;
  std::unique_ptr<PackedSet> set_;
};

std::vector<Entry> samples(int count) {
  std::vector<Entry> entries;
  for (int i = 0; i < count; ++i) {
    entries.emplace_back(fmt::format("{}.jpg", i), jpeg(9 + i % 5, 9));
    entries.emplace_back(fmt::format("{}.txt", i), fmt::format("caption {}", i));
  }
  return entries;
}

TEST(WebDatasetTwins, FoldersWithTheSameNamesGiveDifferentUids) {
  const test::TempFolder folder;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(folder / name);
    write_tar(folder / name / "00000.tar", {{"1.jpg", jpeg(9, 9)}, {"1.txt", fmt::format("of {}", name)}});
    write_tar(folder / name / "00001.tar", {{"1.jpg", jpeg(9, 9)}, {"1.txt", "the same in both"}});
  }
  const PackedSet set = pack_all(open_webdataset({.inputs = {folder / "a", folder / "b"}}), folder / "packed");
  ASSERT_EQ(set.count(), 4U);
  std::set<std::array<std::uint64_t, 2>> uids;
  for (std::uint64_t i = 0; i < 4; ++i) uids.insert(set.uid(i));
  EXPECT_EQ(uids.size(), 4U);
  // The folder may be moved.
  std::filesystem::rename(folder / "a", folder / "moved");
  const PackedSet moved = pack_all(open_webdataset({.inputs = {folder / "moved"}}), folder / "packed_moved");
  EXPECT_EQ(moved.uid(0), set.uid(0));
  EXPECT_EQ(moved.uid(1), set.uid(1));
}

TEST(WebDatasetTwins, AnInputGivenTwiceIsPackedOnce) {
  const test::TempFolder folder;
  write_tar(folder / "a.tar", samples(3));
  std::filesystem::create_directory_symlink(folder / ".", folder / "link");
  EXPECT_EQ(open_webdataset({.inputs = {folder / "a.tar", folder / "a.tar", folder / "link/a.tar"}}).parts, 1U);
}

TEST(WebDatasetText, NamesAndCaptionsThatAreNoUtf8) {
  const PackedTar tar({{"1.jpg", jpeg(9, 9)},
                       {"1.txt", "caf\xE9 au lait"},
                       {"2.jpg", jpeg(9, 9)},
                       {"2.txt", std::string("N\0U\0L", 5)},
                       {"3.jpg", jpeg(9, 9)},
                       {"3.json", R"({"caption": "half a smile \ud83d and a whole one \ud83d\ude00"})"},
                       {"b\xE9"
                        "b\xE9.jpg",
                        "no image"},
                       {"b\xE9"
                        "b\xE9.txt",
                        "skipped"},
                       {"5.jpg", jpeg(9, 9)},
                       {"5.txt",
                        "\xEF\xBB\xBFgr\xC3\xBC\xC3\x9F"
                        "e"},
                       {"6.jpg", jpeg(9, 9)},
                       {"6.json", "{\"caption\": \"caf\xE9\"}"},
                       {"7.jpg", jpeg(9, 9)},
                       {"7.txt", std::string("\xFF\xFE"
                                             "a\0 \0c\0a\0t\0",
                                             12)}});  // UTF-16
  ASSERT_EQ(tar.count(), 6U);
  EXPECT_EQ(tar.set().captions(0), "caf\xEF\xBF\xBD au lait");
  EXPECT_EQ(tar.set().captions(1), "N\xEF\xBF\xBDU\xEF\xBF\xBDL");
  EXPECT_EQ(tar.set().captions(2), "half a smile \xEF\xBF\xBD and a whole one \xF0\x9F\x98\x80");
  EXPECT_EQ(tar.set().captions(3),
            "gr\xC3\xBC\xC3\x9F"
            "e");
  EXPECT_EQ(tar.set().captions(4), "caf\xEF\xBF\xBD");
  std::string wide = tar.set().captions(5);
  for (std::size_t at = 0; (at = wide.find("\xEF\xBF\xBD")) != std::string::npos;) wide.replace(at, 3, "?");
  EXPECT_EQ(wide, "??a? ?c?a?t?");
  EXPECT_EQ(tar.part().warnings.total(), 5U);  // all but the one that is whole
  EXPECT_EQ(tar.part().skipped.total(), 1U);
  EXPECT_NE(tar.report().find("b\xEF\xBF\xBD"
                              "b\xEF\xBF\xBD"),
            std::string::npos)
      << tar.report();
  to_json(tar.part()).dump();  // for the other ranks: nothing in it is no UTF-8
}

TEST(WebDatasetMembers, TheSameNameTwiceLosesNoSample) {
  const PackedTar tar({{"1.jpg", jpeg(9, 9)}, {"1.txt", "first"}, {"1.jpg", jpeg(10, 9)}, {"1.txt", "second"}});
  ASSERT_EQ(tar.count(), 2U);
  EXPECT_NE(tar.set().uid(0), tar.set().uid(1));
  EXPECT_NE(tar.report().find("2 members of the tar file have a name that was there before"), std::string::npos)
      << tar.report();
}

TEST(WebDatasetMembers, WhatIsFoundIsNamed) {
  const PackedTar dots({{"0.1.png", png(8, 8)}, {"0.1.txt", "a"}});
  EXPECT_EQ(dots.count(), 0U);
  EXPECT_NE(dots.report().find("no image: found .1.png, .1.txt; a key ends at the first dot"), std::string::npos)
      << dots.report();
  const PackedTar keys({{"1.jpg", jpeg(8, 8)}, {"1.json", R"({"text": "a", "url": "b", "n": 3})"}});
  EXPECT_NE(keys.report().find("json has text, url; --caption-key"), std::string::npos) << keys.report();
  const PackedTar other({{"1.jpg", jpeg(8, 8)}, {"1.npy", "x"}});
  EXPECT_NE(other.report().find("no caption (txt, or \"caption\" in json): found .jpg, .npy"), std::string::npos)
      << other.report();
}

TEST(WebDatasetMembers, ImagesFirstAndCaptionsAfterThem) {
  std::vector<Entry> entries;
  for (int i = 0; i < 3; ++i) entries.emplace_back(fmt::format("{}.jpg", i), jpeg(9, 9));
  for (int i = 0; i < 3; ++i) entries.emplace_back(fmt::format("{}.txt", i), "a");
  const PackedTar tar(entries);
  EXPECT_EQ(tar.count(), 0U);
  EXPECT_EQ(tar.part().skipped.total(), 3U);  // samples, not halves of them
  EXPECT_NE(tar.report().find("3 samples have members that do not follow one another"), std::string::npos);
  EXPECT_NE(tar.report().find("--sort=name"), std::string::npos) << tar.report();
}

TEST(WebDatasetMembers, CaptionsFromJsonAndTheirOrder) {
  const std::vector<Entry> entries{{"1.jpg", jpeg(9, 9)},
                                   {"1.txt", " \n"},
                                   {"1.json", R"({"caption": "behind an empty txt"})"},
                                   {"2.jfif", jpeg(9, 9)},
                                   {"2.txt", "of txt"},
                                   {"2.json", R"({"alt": "of alt", "caption": "of caption"})"},
                                   {"3.JPE", jpeg(9, 9)},
                                   {"3.json", R"({"alt": "", "caption": "of caption"})"}};
  const PackedTar usual(entries);
  ASSERT_EQ(usual.count(), 3U);
  EXPECT_EQ(usual.set().captions(0), "behind an empty txt");
  EXPECT_EQ(usual.set().captions(1), "of txt");
  const PackedTar by_key(entries, {.caption_keys = {"text", "alt"}});
  ASSERT_EQ(by_key.count(), 3U);
  EXPECT_EQ(by_key.set().captions(1), "of alt");
  EXPECT_EQ(by_key.set().captions(2), "of caption");
}

TEST(WebDatasetLabels, OneSampleWithoutAClassIsSkippedByName) {
  std::vector<Entry> entries{{"first.jpg", jpeg(9, 9)}, {"first.txt", "has none"}};
  for (int i = 0; i < 5; ++i) {
    entries.emplace_back(fmt::format("{}.jpg", i), jpeg(9, 9));
    entries.emplace_back(fmt::format("{}.txt", i), "a");
    entries.emplace_back(fmt::format("{}.cls", i), i == 3 ? "three" : "1");
  }
  const PackedTar tar(entries);
  ASSERT_EQ(tar.count(), 4U);
  EXPECT_EQ(tar.set().all_labels("label"), (std::vector<std::int32_t>{1, 1, 1, 1}));
  EXPECT_NE(tar.report().find("skipped\ta.tar/first\tno cls"), std::string::npos) << tar.report();
  EXPECT_NE(tar.report().find("skipped\ta.tar/3\tcls is not a number"), std::string::npos) << tar.report();
}

TEST(WebDatasetLabels, AClassInASetWithoutClassesIsSaid) {
  std::vector<Entry> entries = samples(4);
  entries.emplace_back("3.cls", "1");
  const PackedTar tar(entries);
  EXPECT_EQ(tar.count(), 4U);
  EXPECT_TRUE(tar.set().info().label_names.empty());
  EXPECT_EQ(tar.part().warnings.total(), 1U);
}

TEST(WebDatasetBroken, ATarThatIsCutOffAnywhereIsSaid) {
  const test::TempFolder folder;
  write_tar(folder / "whole.tar", samples(4));
  const std::string bytes = read_text_file(folder / "whole.tar");
  const std::size_t content = (bytes.find_last_not_of('\0') / 512 + 1) * 512;  // behind it: zeros alone
  int packed = 0;
  const auto pack = [&](const std::string& tar) {
    const std::filesystem::path to = folder / fmt::format("packed_{}", packed++);
    write_file_atomic(folder / "a.tar", tar);
    prepare_set_folder(to);
    return pack_part(open_webdataset({.inputs = {folder / "a.tar"}}), 0, to);
  };
  for (std::size_t block = 512; block <= content; block += 512) {
    for (const std::size_t size : {block - 511, block - 1, block}) {
      const PackedPart part = pack(bytes.substr(0, size));
      EXPECT_TRUE(!part.broken.empty() || part.warnings.total() > 0) << size << " of " << bytes.size();
    }
  }
  EXPECT_EQ(pack(bytes).warnings.total(), 0U);
  EXPECT_TRUE(pack(bytes).broken.empty());
  EXPECT_EQ(pack(bytes + bytes).warnings.total(), 1U);  // by cat: the second is not read
}

TEST(WebDatasetFiles, CompressedTarsOfAFolderAndWhatIsNoFile) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder / "tars");
  write_tar(folder / "tars" / "plain.tar", samples(2));
  ASSERT_EQ(std::system(fmt::format("gzip -c {0}/plain.tar > {0}/packed.tar.gz", (folder / "tars").native()).c_str()),
            0);
  EXPECT_EQ(pack_all(open_webdataset({.inputs = {folder / "tars"}}), folder / "packed").count(), 4U);
  ASSERT_EQ(::mkfifo((folder / "pipe.tar").c_str(), 0600), 0);
  test::expect_error(ErrorKind::input, {"pipe.tar", "FIFO"},
                     [&] { open_webdataset({.inputs = {folder / "pipe.tar"}}); });
  std::filesystem::rename(folder / "pipe.tar", folder / "tars" / "pipe.tar");
  test::expect_error(ErrorKind::input, {"pipe.tar", "FIFO"}, [&] { open_webdataset({.inputs = {folder / "tars"}}); });
}

}  // namespace
}  // namespace clip_hpc
