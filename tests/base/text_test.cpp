#include "clip_hpc/base/text.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

using Words = std::vector<std::string>;

TEST(Text, TrimsBlanksAtBothEnds) {
  EXPECT_EQ(trim(" \ta b\r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
  EXPECT_EQ(trim("\va"), "\va");
  EXPECT_EQ(trim("\va\f", kPythonSpaces), "a");
}

TEST(Text, SplitsAtEverySeparator) {
  EXPECT_EQ(split_text("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split_text("", ','), (std::vector<std::string_view>{""}));
}

TEST(Text, SplitsWordsAtBlanks) {
  EXPECT_EQ(split_words("  a\tbc \n d"), (Words{"a", "bc", "d"}));
  EXPECT_EQ(split_words(" \n"), Words{});
}

TEST(Text, SplitsLinesWithAnyEnd) {
  EXPECT_EQ(split_lines("a\r\n\nb"), (Words{"a", "", "b"}));
  EXPECT_EQ(split_lines("a\n"), (Words{"a"}));
  EXPECT_EQ(split_lines(""), Words{});
}

// Python's bytes.decode("utf-8", "replace") is the measure.
TEST(Text, WhatIsNoUtf8BecomesTheReplacementCharacter) {
  const std::string bad = "\xEF\xBF\xBD";
  for (const std::string good :
       {"", "a", "gr\xC3\xB6\xC3\x9F", "\xE6\xBC\xA2", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
    EXPECT_EQ(repaired_utf8(good), good);
  }
  const std::vector<std::pair<std::string, std::string>> broken{
      {"caf\xE9", "caf" + bad},  // Latin-1
      {"\xE9t\xE9", bad + "t" + bad},
      {"\x93quoted\x94", bad + "quoted" + bad},  // Windows-1252
      {"\xED\xA0\xBD", bad + bad + bad},         // a lone surrogate
      {"\xC0\xAF", bad + bad},                   // longer than needed
      {"\xE6\xBC", bad},                         // cut off
      {"\xE6\xBCx", bad + "x"},
      {"\xF0\x9F\x98", bad},
      {"\xF4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
      {"\xFF\xFEh", bad + bad + "h"}};
  for (const auto& [text, expected] : broken) {
    EXPECT_FALSE(is_utf8(text));
    EXPECT_EQ(repaired_utf8(text), expected);
  }
}

}  // namespace
}  // namespace clip_hpc
