#include "clip_hpc/data/sources/built_in/embedded_emoji.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/sources/built_in/emoji_list.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

#define SKIP_WITHOUT_EMOJI()                                                                                  \
  if (!fs::exists(EmojiOptions{}.noto_font)) GTEST_SKIP() << "no Noto emoji: install fonts-noto-color-emoji"; \
  if (!fs::exists(EmojiOptions{}.emoji_test)) GTEST_SKIP() << "no emoji-test.txt: install unicode-data";      \
  if (!fs::exists(EmojiOptions{}.symbola_font)) GTEST_SKIP() << "no Symbola: install fonts-symbola"

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Small stand-ins for the CLDR files, in their own layout.
class EmojiTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("clip_hpc_emoji_{}", ::getpid());
    fs::create_directories(folder_ / "annotations");
    fs::create_directories(folder_ / "annotationsDerived");
    write_file_atomic(folder_ / "annotations" / "en.xml",
                      "<ldml>\n\t\t<annotation cp=\"😀\">face | grin | grinning &amp; face</annotation>\n"
                      "\t\t<annotation cp=\"😀\" type=\"tts\">grinning face</annotation>\n"
                      "\t\t<annotation cp=\"❤\" type=\"tts\">red heart</annotation>\n"
                      "\t\t<annotation cp=\"❤\">heart</annotation>\n"
                      "\t\t<annotation cp=\"😃\" type=\"tts\">↑↑↑</annotation>\n</ldml>\n");
    write_file_atomic(folder_ / "annotationsDerived" / "en.xml",
                      "<ldml>\n\t\t<annotation cp=\"🇳🇴\" type=\"tts\">flag: Norway</annotation>\n</ldml>\n");
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(EmojiTest, ListJoinsNamesAndKeywords) {
  const fs::path list_file = folder_ / "emoji-test.txt";
  write_file_atomic(list_file,
                    "# group: Smileys & Emotion\n# subgroup: face-smiling\n"
                    "1F600 ; fully-qualified # 😀 E1.0 grinning face of the list\n"
                    "1F603 ; fully-qualified # 😃 E0.6 grinning face with big eyes\n"
                    "# group: Component\n# subgroup: skin-tone\n1F3FB ; component # 🏻 E1.0 light skin tone\n"
                    "# group: Symbols\n# subgroup: heart\n"
                    "2764 FE0F ; fully-qualified # ❤️ E0.6 red\n2764 ; unqualified # ❤ E0.6 red\n"
                    "1F44B 1F3FB ; fully-qualified # 👋🏻 E1.0 waving hand: light skin tone\n");
  const EmojiList list = read_emoji_list(list_file, folder_);
  ASSERT_EQ(list.entries.size(), 3U);
  EXPECT_EQ(list.groups, (std::vector<std::string>{"smileys and emotion", "symbols"}));
  EXPECT_EQ(list.subgroups, (std::vector<std::string>{"face smiling", "heart"}));
  EXPECT_EQ(list.entries[0].name, "grinning face");
  EXPECT_EQ(list.entries[0].keywords, (std::vector<std::string>{"face", "grin", "grinning & face"}));
  EXPECT_EQ(list.entries[1].name, "grinning face with big eyes");  // "↑↑↑" means inherit
  EXPECT_TRUE(list.entries[1].keywords.empty());
  EXPECT_EQ(list.entries[2].name, "red heart");  // found without U+FE0F
  EXPECT_EQ(list.entries[2].base, U"\u2764");
  EXPECT_EQ(list.entries[2].subgroup, 1);
}

TEST_F(EmojiTest, CountsAndHoldOuts) {
  SKIP_WITHOUT_EMOJI();
  const auto splits = open_emoji({.cldr_dir = folder_});
  ASSERT_EQ(splits.size(), 3U);
  EXPECT_EQ(splits[0].count, 1521U);  // the published split, with the packages of Debian 12
  EXPECT_EQ(splits[1].count, 349U);
  EXPECT_EQ(splits[2].count, 214U);
  std::map<std::string, std::set<std::string>> names;
  std::set<std::array<std::uint64_t, 2>> uids;
  for (const auto& split : splits) {
    EXPECT_EQ(split.channels, 3);
    EXPECT_EQ(split.classnames.at("label").size(), 99U);
    EXPECT_EQ(split.classnames.at("label_group").size(), 9U);
    for (std::uint64_t i = 0; i < split.count; ++i) {
      const PackedSample sample = split.render(i);
      ASSERT_EQ(sample.image.size(), 48U * 48U * 3U);
      const auto label = static_cast<std::size_t>(sample.labels.at("label"));
      const auto group = static_cast<std::size_t>(sample.labels.at("label_group"));
      ASSERT_LT(label, 99U);
      ASSERT_LT(group, 9U);
      const auto lines = lines_of(sample.captions);
      ASSERT_EQ(lines.size(), split.name == "train" ? 20U : 1U);
      if (split.name == "train") {
        ASSERT_EQ(std::ranges::count(lines, "an emoji of " + split.classnames.at("label")[label]), 3);
        ASSERT_GE(std::ranges::count(lines, "an emoji of " + split.classnames.at("label_group")[group]), 1);
      }
      ASSERT_LT(*std::ranges::min_element(sample.image), 235) << lines[0] << " is blank";
      names[split.name].insert(lines[0]);
      uids.insert(sample.uid);
    }
  }
  EXPECT_EQ(uids.size(), 1521U + 349U + 214U);
  EXPECT_EQ(names["test"].size(), 349U);
  for (const auto& name : names["test"]) EXPECT_FALSE(names["train"].contains(name)) << name;
  for (const auto& name : names["test_symbola"]) EXPECT_TRUE(names["test"].contains(name)) << name;
}

TEST_F(EmojiTest, RenderingIsAFunctionOfTheIndex) {
  SKIP_WITHOUT_EMOJI();
  const auto first = open_emoji({.cldr_dir = folder_, .size = 37});
  const auto second = open_emoji({.cldr_dir = folder_, .size = 37});
  for (std::size_t s = 0; s < first.size(); ++s) {
    for (std::uint64_t k = 0; k < 60; ++k) {
      const PackedSample a = first[s].render(59 - k);
      const PackedSample b = second[s].render(k);
      const PackedSample c = first[s].render(k);
      ASSERT_EQ(b.image, c.image);
      ASSERT_EQ(b.captions, c.captions);
      ASSERT_EQ(b.uid, c.uid);
      if (k == 0) {
        EXPECT_NE(a.uid, b.uid);
      }
    }
  }
}

TEST_F(EmojiTest, ColoursAndWhitePaper) {
  SKIP_WITHOUT_EMOJI();
  const auto splits = open_emoji({.cldr_dir = folder_});
  bool seen = false;
  for (const auto& split : {splits[0], splits[1]}) {
    for (std::uint64_t i = 0; i < split.count; ++i) {
      const PackedSample sample = split.render(i);
      if (lines_of(sample.captions)[0] != "red heart") continue;
      seen = true;
      const std::size_t middle = 3 * (22 * 48 + 24);
      EXPECT_GT(sample.image[middle], 180);  // red, then green, then blue
      EXPECT_LT(sample.image[middle + 1], 100);
      EXPECT_EQ(sample.image[0], 255);
      EXPECT_EQ(sample.image[1], 255);
    }
  }
  EXPECT_TRUE(seen);
}

TEST_F(EmojiTest, MissingPartsAreNamed) {
  try {
    open_emoji({.noto_font = "/no/such/font.ttf"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_NE(std::string(error.what()).find("fonts-noto-color-emoji"), std::string::npos);
  }
  SKIP_WITHOUT_EMOJI();
  const auto splits = open_emoji({.symbola_font = "/no/such.ttf", .cldr_dir = "/no/such/cldr"});
  ASSERT_EQ(splits.size(), 2U);
  ASSERT_EQ(splits[0].warnings.size(), 2U);
  EXPECT_NE(splits[0].warnings[0].find("unicode-cldr-core"), std::string::npos);
  EXPECT_NE(splits[0].warnings[1].find("fonts-symbola"), std::string::npos);
  EXPECT_THROW(open_emoji({.noto_font = EmojiOptions{}.symbola_font}), Error);  // not a colour font
}

}  // namespace
}  // namespace clip_hpc
