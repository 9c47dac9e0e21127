#include "clip_hpc/config/ini_file.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_ini(text, "some.cfg");
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::input);
    return problem.what();
  }
  return "";
}

TEST(IniFile, ReadsSectionsKeysAndCommentsWithTheirLines) {
  const auto lines = parse_ini("# head\nfree = 1\r\n[ axis  tower ]\n  a b = c = d  # why\n\n[empty]", "some.cfg");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].section, "");
  EXPECT_EQ(lines[0].key, "free");
  EXPECT_EQ(lines[0].value, "1");
  EXPECT_EQ(lines[0].number, 2);
  EXPECT_EQ(lines[0].section_number, 0);
  EXPECT_EQ(lines[1].section, " axis  tower ");
  EXPECT_EQ(lines[1].key, "");
  EXPECT_EQ(lines[2].key, "a b");
  EXPECT_EQ(lines[2].value, "c = d");
  EXPECT_EQ(lines[2].number, 4);
  EXPECT_EQ(lines[2].section_number, 3);
  EXPECT_EQ(lines[3].section, "empty");
  EXPECT_EQ(lines[3].number, 6);
}

TEST(IniFile, AKeyMayHaveNoValue) { EXPECT_EQ(parse_ini("[a]\nb =", "some.cfg").at(1).value, ""); }

TEST(IniFile, RefusesOtherLinesWithFileAndLine) {
  EXPECT_EQ(refusal("[a]\n\nb"), "some.cfg:3: expected key = value, got \"b\"");
  EXPECT_EQ(refusal("= b"), "some.cfg:1: expected key = value, got \"= b\"");
  EXPECT_EQ(refusal("[a"), "some.cfg:1: a section is written [name]");
  EXPECT_EQ(refusal("[a] b"), "some.cfg:1: a section is written [name]");
  EXPECT_EQ(refusal("["), "some.cfg:1: a section is written [name]");
}

TEST(IniFile, AValueInQuotesMayHoldACommentSign) {
  const auto lines = parse_ini("[a]\nb = \"/data/c#/x\"  # why\nc = \"say \\\"hi\\\" \\\\ \"\n# d = \"", "some.cfg");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1].value, "/data/c#/x");
  EXPECT_EQ(lines[2].value, "say \"hi\" \\ ");
  EXPECT_EQ(refusal("a = \"b"), "some.cfg:1: the quote that begins the value is not closed");
  EXPECT_EQ(refusal("a = \"b\" c"), "some.cfg:1: text follows the closing quote of a value");
  EXPECT_NE(refusal("a = /data/c#/x").find("in quotes"), std::string::npos);  // never cut off in silence
  EXPECT_EQ(parse_ini("a = 5 \" # inches", "some.cfg").at(0).value, "5 \"");
}

TEST(IniFile, WhatIsWrittenIsReadBack) {
  for (const std::string value :
       {"plain", "with # sign", "#", "c#", " blanks ", "\"quoted\"", "back\\slash # and \"", "", "a = b"}) {
    EXPECT_EQ(parse_ini("key = " + ini_value(value), "some.cfg").at(0).value, value);
  }
  EXPECT_EQ(ini_value("/data/c/x"), "/data/c/x");  // as it always was, where nothing is to be hidden
  EXPECT_THROW(ini_value("two\nlines"), Error);
}

TEST(IniFile, AFileThatIsNotThereNamesItsOption) {
  try {
    read_ini_file("/nowhere/a.cfg", "the suite", "--suite");
    FAIL();
  } catch (const Error& problem) {
    EXPECT_EQ(std::string(problem.what()), "cannot open the suite /nowhere/a.cfg: check --suite");
  }
}

}  // namespace
}  // namespace clip_hpc
