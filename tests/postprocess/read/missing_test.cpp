#include "postprocess/read/missing.hpp"

#include <gtest/gtest.h>

#include "postprocess/sections/missing_section.hpp"
#include "tests/postprocess/synthetic_study.hpp"

namespace clip_hpc {
namespace {

StudyView view_of_study(const StudyFolder& study) { return read_study_view(study.path); }

TEST(Missing, TheMatrixCountsCellsByState) {
  const Project project;
  const StudyFolder study = make_study(project);
  finish_cell(study, "B_full_0");
  finish_cell(study, "B_full_1");
  finish_cell(study, "S_half_0");
  set_state(study, "S_half_1", "train", "failed", 1, 5);
  const StateMatrix matrix = state_matrix(view_of_study(study));
  EXPECT_EQ(matrix.row_axis, "tower");
  EXPECT_EQ(matrix.column_axis, "data");
  EXPECT_EQ(matrix.rows, (std::vector<std::string>{"B", "S"}));
  EXPECT_EQ(matrix.columns, (std::vector<std::string>{"full", "half"}));
  EXPECT_EQ(matrix.boxes[0][0].done(), 2);
  EXPECT_EQ(matrix.boxes[0][0].worst(), StateKind::done);
  EXPECT_EQ(matrix.boxes[0][1].worst(), StateKind::missing);
  EXPECT_EQ(matrix.boxes[1][1].done(), 1);
  EXPECT_EQ(matrix.boxes[1][1].all(), 2);
  EXPECT_EQ(matrix.boxes[1][1].worst(), StateKind::failed);
  const std::string text = missing_section(view_of_study(study), {});
  EXPECT_PRED2(contains, text, "<span class=\"state s-failed\" title=\"1 done, 1 failed\">1/2 · 1 failed</span>");
  EXPECT_PRED2(contains, text, "<li><b>missing</b> (4): B_half_0, B_half_1, S_full_0, S_full_1</li>");
  EXPECT_PRED2(contains, text, "<li><b>failed</b> (1): S_half_1</li>");
}

TEST(Missing, OneAxisNeedsNoMatrix) {
  const Project project;
  const StudyFolder study{project.scratch / "study"};
  write_study(study, project.plan("[axis seed]\nrun.seed = 0 1 2\n"));
  EXPECT_TRUE(state_matrix(view_of_study(study)).rows.empty());
}

TEST(Missing, LinesWithoutTwoPointsOfDifferentComputeAreNamed) {
  const Project project;
  const StudyFolder study = make_study(project);
  for (const char* cell : {"B_full_0", "B_full_1"}) finish_cell(study, cell);  // one compute: seeds share it
  const StudyView view = view_of_study(study);
  const std::vector<Lack> lines = lacks_by_series(view);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].name, "B, clip");
  EXPECT_EQ(lines[0].points, 4);
  EXPECT_EQ(lines[0].with_result, 2);
  EXPECT_EQ(lines[0].places.size(), 1U);
  EXPECT_EQ(lines[0].without, (std::vector<std::string>{"B_half_0", "B_half_1"}));
  EXPECT_EQ(lacks_by_grid(view).at(0).without.size(), 6U);
  EXPECT_PRED2(
      contains, missing_section(view, {}),
      "<th scope=\"row\">line B, clip</th><td data-v=\"4\">4</td><td data-v=\"2\">2</td><td class=\"text\"><b>Not "
      "drawn");
}

TEST(Missing, WhatManyRunsLackStandsOnce) {
  std::vector<RunRecord> runs(20);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].name = fmt::format("r{}<", i);
    runs[i].missing = {"no evaluation yet"};
    if (i != 19) runs[i].missing.push_back("no checkpoint yet");
  }
  const std::string text = missing_section({}, runs);
  EXPECT_PRED2(contains, text, "<li>no checkpoint yet (19 runs): r0&lt;, r1&lt;");
  EXPECT_PRED2(contains, text, "and 7 more");
  EXPECT_PRED2(contains, text, "<li>no evaluation yet (all 20 runs)</li>");
}

}  // namespace
}  // namespace clip_hpc
