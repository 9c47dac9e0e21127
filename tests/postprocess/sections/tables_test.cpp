#include "postprocess/sections/tables.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/postprocess/paper_study.hpp"

namespace clip_hpc {
namespace {

using synthetic::Cell;

const Table& table(const std::vector<Table>& tables, const std::string& id) {
  for (const Table& one : tables) {
    if (one.id == id) return one;
  }
  throw std::out_of_range(id);
}

std::vector<Table> of(const std::vector<Cell>& cells, const synthetic::Tasks& tasks = {}) {
  return tables_of(roles_of(measures_of(synthetic::table_of(cells, tasks))), Scale::logit);
}

Table hostile() {
  Table one{"hostile", "A & B", "50 % of $x_1$", {"tower"}, {"R², \"net\""}, {}, 1};
  one.rows.push_back({{{"a_b|c & <d> #1 \\ {e}~^", "a, \"b\""}}, {{47.44, 0.31, true}}});
  one.rows.push_back({{{"plain", "plain"}}, {{std::nan(""), 0, false}}});
  return one;
}

TEST(Tables, HtmlEscapes) {
  EXPECT_EQ(
      html_of(hostile()),
      "<div class=\"scroll\"><table><thead><tr><th class=\"text\">tower</th><th>R², &quot;net&quot;</th></tr></thead>"
      "<tbody>\n<tr><td class=\"text\">a_b|c &amp; &lt;d&gt; #1 \\ {e}~^</td><td><b>47.4 ± 0.3</b></td></tr>\n"
      "<tr><td class=\"text\">plain</td><td>–</td></tr>\n</tbody></table></div>\n"
      "<p class=\"note\">50 % of $x_1$</p>\n");
}

TEST(Tables, MarkdownEscapes) {
  EXPECT_EQ(markdown_of(hostile()),
            "## A & B\n\n| tower | R², \"net\" |\n|---|---:|\n"
            "| a\\_b\\|c & \\<d\\> #1 \\\\ {e}~^ | **47.4 ± 0.3** |\n| plain | – |\n\n50 % of $x\\_1$\n");
}

TEST(Tables, LatexEscapes) {
  EXPECT_EQ(
      latex_of(hostile()),
      "% A \\& B. Needs \\usepackage{booktabs}.\n% 50 \\% of \\$x\\_1\\$\n\\begin{tabular}{lr}\n\\toprule\n"
      "tower & $R^2$, \"net\" \\\\\n\\midrule\n"
      "a\\_b|c \\& \\textless{}d\\textgreater{} \\#1 \\textbackslash{} \\{e\\}\\textasciitilde{}\\textasciicircum{} & "
      "$\\mathbf{47.4} \\pm 0.3$ \\\\\nplain & -- \\\\\n\\bottomrule\n\\end{tabular}\n");
  Table longer = hostile();
  longer.rows.resize(60, longer.rows.back());
  EXPECT_NE(latex_of(longer).find("\\begin{longtable}{lr}"), std::string::npos);
  EXPECT_NE(latex_of(longer).find("\\endhead"), std::string::npos);
}

TEST(Tables, CsvQuotesAndIsExact) {
  EXPECT_EQ(csv_of(hostile()),
            "tower,\"R², \"\"net\"\"\",\"± R², \"\"net\"\"\"\n\"a, \"\"b\"\"\",47.44,0.31\nplain,,\n");
}

TEST(Tables, OneAFamilyWithTheBestInBold) {
  const std::vector<Cell> cells{{.set = 1e6, .samples = 1e6, .seed = 0},
                                {.set = 1e6, .samples = 1e6, .seed = 1},
                                {.tower = "L16", .set = 1e6, .samples = 1e6},
                                {.set = 4e6, .samples = 4e6},
                                {.set = 16e6, .samples = 16e6}};
  const std::vector<Table> tables = of(cells);
  std::vector<std::string> ids;
  for (const Table& one : tables) ids.push_back(one.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"zeroshot", "fewshot", "retrieval", "linear_probe", "robustness_zeroshot",
                                           "robustness_lines_zeroshot", "robustness_linear_probe",
                                           "robustness_lines_linear_probe"}));
  const Table& zeroshot = table(tables, "zeroshot");
  EXPECT_EQ(zeroshot.heads, (std::vector<std::string>{"tower", "strategy", "distinct pairs", "samples seen", "seeds"}));
  EXPECT_EQ(zeroshot.metrics.size(), 1U + 6U + 2U);  // ImageNet, six sets, the means over six and five
  EXPECT_EQ(zeroshot.metrics[8], "mean of 5 sets");
  ASSERT_EQ(zeroshot.rows.size(), 4U);
  const Table::Row& small = zeroshot.rows[0];  // B32 on 1M pairs, by cost and size
  EXPECT_EQ(small.words[2].shown, "1M");
  EXPECT_EQ(small.words[2].exact, "1000000");
  EXPECT_EQ(small.words[4].shown, "2");
  EXPECT_NEAR(small.values[0].value, 50 * (synthetic::accuracy(cells[0]) + synthetic::accuracy(cells[1])), 1e-9);
  EXPECT_NEAR(small.values[0].spread, 0.4, 1e-9);
  EXPECT_FALSE(small.values[0].best);
  EXPECT_TRUE(zeroshot.rows[2].values[0].best);  // B32 on 16M
  EXPECT_NE(zeroshot.note.find("half the range over 2 seeds"), std::string::npos);
  EXPECT_NE(zeroshot.note.find("mean of 5 sets: ImageNet-A, ImageNet-R, ImageNet-Sketch, ImageNet-V2, ObjectNet."),
            std::string::npos);
}

TEST(Tables, WhatWasNotMeasuredHasNoTable) {
  const std::vector<Table> tables =
      of({{.set = 1e6, .samples = 1e6}},
         {.zeroshot = true, .others = false, .fewshot = false, .probe = false, .retrieval = false});
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_EQ(tables[0].heads, (std::vector<std::string>{"tower", "strategy", "distinct pairs", "samples seen"}));
  EXPECT_FALSE(tables[0].rows[0].values[0].best);  // of one
  EXPECT_TRUE(tables_of(Roles{}, Scale::logit).empty());
}

TEST(Tables, RobustnessTellsTheSeries) {
  const std::vector<Table> tables = of(synthetic::paper_cells());
  const Table& lines = table(tables, "robustness_lines_zeroshot");
  ASSERT_EQ(lines.rows.size(), 6U);
  EXPECT_NEAR(lines.rows[3].values[0].value, 1.3, 1e-6);
  EXPECT_NEAR(lines.rows[3].values[2].value, 1, 1e-9);
  const Table& beyond = table(tables, "robustness_zeroshot");
  for (const Table::Row& row : beyond.rows) {
    const bool augmented = row.words[1].shown.starts_with("clip+");
    EXPECT_EQ(row.values[1].value > 0.5, augmented) << row.words[1].shown << " " << row.values[1].value;
  }
}

}  // namespace
}  // namespace clip_hpc
