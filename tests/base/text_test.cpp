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

}  // namespace
}  // namespace clip_hpc
