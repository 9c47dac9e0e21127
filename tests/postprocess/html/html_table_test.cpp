#include "postprocess/html/html_table.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(HtmlTable, HostileNamesStayText) {
  HtmlTable table{
      .id = "a\"b", .columns = {{"<b>", true}, {"x<y", true, true}}, .rows = {}, .foot = {}, .row_word = "r\"s"};
  table.rows.push_back({text_field("<script>alert(1)</script>"), text_field("\" onload=\"x & y")});
  const std::string text = to_html(table);
  EXPECT_FALSE(has(text, "<script"));
  EXPECT_FALSE(has(text, "<b>"));
  EXPECT_FALSE(has(text, "onload=\"x"));
  EXPECT_TRUE(has(text, "id=\"a&quot;b\""));
  EXPECT_TRUE(has(text, "data-word=\"r&quot;s\""));
  EXPECT_TRUE(has(text, "&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_TRUE(has(text, "data-menu>x&lt;y</th>"));
}

TEST(HtmlTable, NumbersCarryWhatTheyAreSortedBy) {
  HtmlTable table{
      .id = "t", .columns = {{"run", true}, {"pairs"}, {"hours"}}, .rows = {}, .foot = {}, .row_word = "runs"};
  table.rows.push_back({text_field("a"), count_field(12345678), hours_field(0.125)});
  table.rows.push_back({text_field("b"), count_field(kNoNumber), {}});
  const std::string text = to_html(table);
  EXPECT_TRUE(has(text, "<td data-v=\"12345678\">12.3"));
  EXPECT_TRUE(has(text, "<td data-v=\"0.125\">0.125</td>"));
  EXPECT_TRUE(has(text, "b</th><td>–</td><td>–</td>"));  // nothing to sort by: last
}

TEST(HtmlTable, ColumnsWithoutAnythingAreLeftOut) {
  HtmlTable table{
      .id = "t", .columns = {{"run", true}, {"empty"}, {"short"}}, .rows = {}, .foot = {}, .row_word = "runs"};
  table.rows = {{text_field("a"), {}, text_field("1")}, {text_field("b")}};
  table.foot = {text_field("all"), text_field("9"), text_field("2")};
  const std::string text = to_html(table);
  EXPECT_FALSE(has(text, "empty"));
  EXPECT_FALSE(has(text, ">9<"));
  EXPECT_TRUE(has(text, "b</th><td>–</td></tr>"));
  EXPECT_TRUE(has(text, "<tfoot><tr><th scope=\"row\">all</th><td>2</td>"));
}

TEST(HtmlTable, DetailsAreNotPrinted) {
  HtmlTable table{.id = "t", .columns = {{"run", true}, {"empty"}, {"a"}}, .rows = {}, .foot = {}, .row_word = "runs"};
  table.columns.push_back({.name = "b", .is_detail = true});
  table.rows = {{text_field("x"), {}, text_field("1"), text_field("2")}};
  EXPECT_TRUE(has(to_html(table), "@media print { #t tr > :nth-child(n+3) { display: none; } }"));
}

}  // namespace
}  // namespace clip_hpc
