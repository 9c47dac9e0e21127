#include "clip_hpc/data/sources/built_in/embedded_glyphs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/sources/built_in/glyph_faces.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

#define SKIP_WITHOUT_FONTS()                                                                       \
  for (const char* file : {"dejavu/DejaVuSerifCondensed.ttf", "noto/NotoSerifDisplay-Bold.ttf"}) { \
    if (!fs::exists(fs::path("/usr/share/fonts/truetype") / file)) {                               \
      GTEST_SKIP() << file << " is missing: install fonts-dejavu-core fonts-dejavu-extra "         \
                   << "fonts-noto-core";                                                           \
    }                                                                                              \
  }                                                                                                \
  if (!fs::exists(GlyphOptions{}.unicode_data)) GTEST_SKIP() << "no UnicodeData.txt: install unicode-data"

std::map<std::string, EmbeddedSplit> by_name(std::vector<EmbeddedSplit> splits) {
  std::map<std::string, EmbeddedSplit> named;
  for (auto& split : splits) named.emplace(split.name, std::move(split));
  return named;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(GlyphFaces, StyleIsReadFromTheFileName) {
  EXPECT_EQ(style_of_face("DejaVuSerifCondensed-BoldItalic"), "bold italic condensed serif");
  EXPECT_EQ(style_of_face("NotoSans-Regular"), "sans");
  EXPECT_EQ(style_of_face("DejaVuSansMono-Oblique"), "italic sans mono");
  EXPECT_EQ(style_of_face("NotoSerifDisplay-Italic"), "italic display serif");
  EXPECT_EQ(style_of_face("NotoMusic-Regular"), "");
}

TEST(UnicodeText, Utf8GoesBothWays) {
  const std::u32string text = U"aé得😀";
  EXPECT_EQ(to_utf8(text), "aé得😀");
  EXPECT_EQ(from_utf8("aé得😀"), text);
  EXPECT_EQ(from_utf8("\xff\xc3"), U"\uFFFD\uFFFD");
  EXPECT_EQ(trim(" \ta b\r\n"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(split_text("a,,b", ',').size(), 3U);
}

// The counts of the published set (docs of the quick start), with the fonts of Debian 12.
TEST(Glyphs, CountsOfTheCoreSet) {
  SKIP_WITHOUT_FONTS();
  const auto splits = by_name(open_glyphs({}));
  ASSERT_EQ(splits.size(), 4U);
  EXPECT_EQ(splits.at("train").count, 28907U);
  EXPECT_EQ(splits.at("test_pairs").count, 3304U);
  EXPECT_EQ(splits.at("train").classnames.at("label").size(), 1120U);
  EXPECT_EQ(splits.at("test_letters").classnames.at("label").size(), 123U);
  EXPECT_EQ(splits.at("test_letters").classnames.at("label_all").size(), 1120U);
  EXPECT_TRUE(splits.at("train").warnings.empty());
  EXPECT_NEAR(splits.at("test_letters").baseline.at("chance"), 1.0 / 123, 1e-12);
}

TEST(Glyphs, HeldOutIsNeverTrainedOn) {
  SKIP_WITHOUT_FONTS();
  GlyphOptions options;
  options.faces = "small";
  const auto splits = by_name(open_glyphs(options));
  EXPECT_EQ(splits.at("train").count, 10169U);  // facts of the published small set
  std::set<std::array<std::uint64_t, 2>> uids;
  std::uint64_t samples = 0;
  for (const auto& [name, split] : splits) {
    const auto& names = split.classnames.at("label");
    std::set<std::int32_t> shown;
    for (std::uint64_t i = 0; i < split.count; ++i) {
      const PackedSample sample = split.render(i);
      const std::string letter = first_line(sample.captions);
      ASSERT_EQ(is_held_out_letter(letter), name == "test_letters") << letter;
      const std::int32_t label = sample.labels.at("label");
      ASSERT_EQ(names.at(static_cast<std::size_t>(label)), letter);
      ASSERT_EQ(sample.labels.contains("label_all"), name == "test_letters");
      ASSERT_EQ(sample.image.size(), 1024U);
      ASSERT_EQ(sample.width, 32U);
      ASSERT_LT(*std::ranges::min_element(sample.image), 200) << letter << " is blank";
      ASSERT_EQ(sample.image.front(), 255);
      shown.insert(label);
      uids.insert(sample.uid);
    }
    samples += split.count;
    if (name == "test_letters") {
      EXPECT_EQ(shown.size(), 123U);
    }
    if (name == "train") {
      EXPECT_EQ(shown.size(), 997U);
    }
  }
  EXPECT_EQ(uids.size(), samples);  // no picture stands in two splits
}

TEST(Glyphs, RenderingIsAFunctionOfTheIndex) {
  SKIP_WITHOUT_FONTS();
  GlyphOptions options;
  options.faces = "small";
  const auto first = open_glyphs(options);
  const auto second = open_glyphs(options);
  for (std::size_t s = 0; s < first.size(); ++s) {
    for (std::uint64_t k = 0; k < 200; ++k) {
      const PackedSample a = first[s].render(k);
      const PackedSample b = second[s].render(199 - k);
      const PackedSample c = second[s].render(k);
      ASSERT_EQ(a.image, c.image);
      ASSERT_EQ(a.captions, c.captions);
      ASSERT_EQ(a.uid, c.uid);
      ASSERT_EQ(a.labels, c.labels);
      if (k == 0) {
        EXPECT_NE(a.uid, b.uid);
      }
    }
  }
  options.seed = 1;
  EXPECT_NE(open_glyphs(options)[0].render(0).uid, first[0].render(0).uid);
}

TEST(Glyphs, NeighboursAreNotAlike) {
  SKIP_WITHOUT_FONTS();
  GlyphOptions options;
  options.faces = "small";
  const auto train = open_glyphs(options)[0];
  int equal = 0;
  for (std::uint64_t i = 1; i < 1000; ++i) {
    equal += std::abs(train.render(i).labels.at("label") - train.render(i - 1).labels.at("label")) <= 1 ? 1 : 0;
  }
  EXPECT_LT(equal, 20);
}

// A capital is taller than its small letter, and both stand on one line: the size is part of the picture.
TEST(Glyphs, CaseCanBeSeen) {
  SKIP_WITHOUT_FONTS();
  const auto train = open_glyphs({.faces = "small", .size = 64})[0];
  const auto ink_rows = [](const PackedSample& sample) {
    std::pair<std::size_t, std::size_t> rows{64, 0};
    for (std::size_t y = 0; y < 64; ++y) {
      const auto line = std::span(sample.image).subspan(y * 64, 64);
      if (*std::ranges::min_element(line) < 128) rows = {std::min(rows.first, y), y};
    }
    return rows;
  };
  std::map<std::string, std::pair<std::size_t, std::size_t>> rows;
  for (std::uint64_t i = 0; i < train.count; ++i) {
    const PackedSample sample = train.render(i);
    if (sample.captions.starts_with("latin ") && sample.captions.ends_with("letter o, sans")) {
      rows.emplace(first_line(sample.captions), ink_rows(sample));
    }
  }
  ASSERT_EQ(rows.size(), 2U);
  const auto capital = rows.at("latin capital letter o");
  const auto small = rows.at("latin small letter o");
  EXPECT_LT(capital.first + 4, small.first);
  EXPECT_NEAR(static_cast<double>(capital.second), static_cast<double>(small.second), 1.0);
}

TEST(Glyphs, ErrorsSayWhatToDo) {
  const auto message = [](const GlyphOptions& options) -> std::string {
    try {
      open_glyphs(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(message({.unicode_data = "/no/such/UnicodeData.txt"}).find("unicode-data"), std::string::npos);
  EXPECT_NE(message({.size = 0}).find("size"), std::string::npos);
  if (!fs::exists(GlyphOptions{}.unicode_data)) GTEST_SKIP() << "no UnicodeData.txt: install unicode-data";
  EXPECT_NE(message({.font_dirs = {"/no/such/folder"}}).find("fonts-dejavu-core"), std::string::npos);
  EXPECT_NE(message({.faces = "most"}).find("core, small or all"), std::string::npos);
  EXPECT_NE(message({.scripts = "latin,klingon"}).find("klingon"), std::string::npos);
}

TEST(Glyphs, MissingFacesAreReported) {
  SKIP_WITHOUT_FONTS();
  const auto splits = open_glyphs({.font_dirs = {"/usr/share/fonts/truetype/dejavu"}});
  ASSERT_EQ(splits[0].warnings.size(), 1U);
  EXPECT_NE(splits[0].warnings[0].find("16 of the core faces"), std::string::npos) << splits[0].warnings[0];
}

}  // namespace
}  // namespace clip_hpc
