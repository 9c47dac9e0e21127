#include "clip_hpc/data/sources/csv.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

class CsvSource : public ::testing::Test {
 protected:
  CsvSource() {
    fs::create_directories(folder_ / "images");
    for (int i = 0; i < 5; ++i) {
      const Image image{10 + i, 20, 3, std::vector<std::uint8_t>(static_cast<std::size_t>((10 + i) * 20 * 3), 90)};
      const auto bytes = encode_png(image);
      write_file_atomic(folder_ / fmt::format("images/{}.png", i), std::string(bytes.begin(), bytes.end()));
    }
  }

  fs::path write(const std::string& name, const std::string& text) const {
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }
  // Parts in reverse order: a part depends on no other.
  PackedSet pack(const PackSource& source) {
    const fs::path to = folder_ / fmt::format("packed_{}", packed_++);
    prepare_set_folder(to);
    parts_.clear();
    for (std::uint64_t part = source.parts; part-- > 0;) parts_.push_back(pack_part(source, part, to));
    finish_set(source, parts_, to);
    return PackedSet(to);
  }

  test::TempFolder folder_;
  std::vector<PackedPart> parts_;
  int packed_ = 0;
};

TEST_F(CsvSource, ColumnsAndQuotes) {
  const fs::path file = write("pairs.csv",
                              "\xef\xbb\xbfid\ttitle\tfilepath\r\n"
                              "1\ta plain caption\timages/0.png\r\n"
                              "\r\n"
                              "2\t\"with a\ttab, a \"\"quote\"\" and\na line break\"\timages/1.png\n"
                              "3\tan inch is 1\" long\timages/2.png");  // no line break at the end
  const PackedSet set = pack(open_csv({.inputs = {file}}));
  ASSERT_EQ(set.count(), 3U);
  EXPECT_EQ(set.info().name, "pairs");
  EXPECT_EQ(set.captions(0), "a plain caption");
  EXPECT_EQ(set.captions(1), "with a tab, a \"quote\" and a line break");
  EXPECT_EQ(set.captions(2), "an inch is 1\" long");
  EXPECT_EQ(set.read(2).width, 12U);
}

TEST_F(CsvSource, RowsAreCutIntoPartsThatDoNotDependOnEachOther) {
  std::string text = "filepath,title\n";
  for (int i = 0; i < 5; ++i) text += fmt::format("images/{}.png,\"row {},\n{}\"\n", i, i, i);
  fs::create_directories(folder_ / "a");
  fs::rename(folder_ / "images", folder_ / "a" / "images");
  write("a/pairs.csv", text);
  write("a/more.csv", "title,filepath\nlast," + (folder_ / "a" / "images" / "4.png").native() + "\n");
  CsvOptions options{.inputs = {folder_ / "a"}, .separator = ','};
  const PackedSet whole = pack(open_csv(options));
  options.samples_per_part = 2;
  const PackSource source = open_csv(options);
  EXPECT_EQ(source.parts, 4U);  // one of more.csv, three of pairs.csv
  const PackedSet cut = pack(source);
  ASSERT_EQ(cut.count(), 6U);
  EXPECT_EQ(cut.info().shards.size(), 4U);
  for (std::uint64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(cut.captions(i), whole.captions(i));
    EXPECT_EQ(cut.uid(i), whole.uid(i));
    EXPECT_EQ(cut.read(i).image, whole.read(i).image);
  }
  EXPECT_EQ(cut.captions(0), "last");
  EXPECT_EQ(cut.captions(5), "row 4, 4");
}

TEST_F(CsvSource, WhatIsNoSampleIsSkippedWithItsReason) {
  write("images/text.png", "not an image");
  const fs::path file = write("pairs.csv",
                              "filepath\ttitle\n"
                              "images/none.png\tgone\n"
                              "images/text.png\tno image\n"
                              "images/1.png\t  \n"
                              "images/1.png\n"
                              "/dev/zero\tendless\n"
                              "images/1.png\tgood\n");
  const PackedSet set = pack(open_csv({.inputs = {file}}));
  EXPECT_EQ(set.count(), 1U);
  ASSERT_EQ(parts_.size(), 1U);
  EXPECT_EQ(parts_[0].skipped.total(), 5U);
  const std::string report = read_text_file(set.folder() / kPackReportName);
  EXPECT_NE(report.find("pairs.csv row 1\tthere is no such image file"), std::string::npos) << report;
  EXPECT_NE(report.find("row 3\tno caption"), std::string::npos) << report;
  EXPECT_NE(report.find("row 4\tonly 1 fields"), std::string::npos) << report;
  EXPECT_NE(report.find("row 5\tthe image is no file"), std::string::npos) << report;
}

TEST_F(CsvSource, OptionsAreOpenClips) {
  const fs::path file = write("pairs.csv", "image;caption\nimages/3.png;three\n");
  ArgumentTable words;
  const OpenSource open = declare_csv(words);
  words.parse(std::vector<std::string>{"--input", file.native(), "--csv-img-key", "image", "--csv-caption-key",
                                       "caption", "--csv-separator", ";", "--size", "8"});
  const OpenedSource opened = open();
  ASSERT_EQ(opened.sets.size(), 1U);
  const PackedSet set = pack(opened.sets[0].source);
  EXPECT_EQ(set.captions(0), "three");
  EXPECT_EQ(set.read(0).width, 8U);
}

TEST_F(CsvSource, WrongFilesAreRefused) {
  const auto open = [&](const std::string& text, char separator = '\t') {
    return open_csv({.inputs = {write("wrong.csv", text)}, .separator = separator});
  };
  test::expect_error(ErrorKind::input, {"no column \"filepath\"", "\"filepath,title\"", "--csv-separator"},
                     [&] { open("filepath,title\n", ';'); });
  test::expect_error(ErrorKind::input, {"is empty"}, [&] { open("\n\n"); });
  test::expect_error(ErrorKind::storage, {"wrong.csv", "byte 15", "quote"}, [&] { open("filepath\ttitle\n\"a\tb\n"); });
  test::expect_error(ErrorKind::storage, {"1 MiB"},
                     [&] { open("filepath\ttitle\n\"" + std::string(2 << 20, 'x') + "\"\tb\n"); });
  test::expect_error(ErrorKind::input, {"does not exist"}, [] { open_csv({.inputs = {"/no/such.csv"}}); });
  ArgumentTable words;
  const OpenSource source = declare_csv(words);  // owns what the words are read into
  test::expect_error(ErrorKind::input, {"--csv-separator", "one character"}, [&] {
    words.parse(std::vector<std::string>{"--csv-separator", "ab"});
  });
}

}  // namespace
}  // namespace clip_hpc
