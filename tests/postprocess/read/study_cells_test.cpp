#include "postprocess/read/study_cells.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "clip_hpc/study/collect.hpp"
#include "postprocess/read/runs.hpp"
#include "postprocess/report_command.hpp"
#include "tests/expect_error.hpp"
#include "tests/postprocess/synthetic_study.hpp"

namespace clip_hpc {
namespace {

const StudyCell& cell_of(const StudyView& view, const std::string& name) {
  return *std::ranges::find(view.cells, name, &StudyCell::name);
}

TEST(StudyCells, AFolderSaysWhatHoldsEachCellUp) {
  const Project project;
  const StudyFolder study = make_study(project);
  finish_cell(study, "B_full_0");
  finish_cell(study, "B_full_1");
  std::filesystem::remove(study.state_file("B_full_1", "eval"));
  set_state(study, "B_half_0", "train", "failed", 2, 5, false, 1);
  write_file_atomic(study.cell("B_half_0") / "train.log", "step 1\nclip_hpc: device: it broke\nmpirun: error: gone\n");
  set_state(study, "B_half_1", "train", "failed", 1, 2, true);
  set_state(study, "S_full_0", "train", "running");
  set_state(study, "S_full_1", "train", "stopped", 0, 75);
  const StudyView view = read_study_view(study.path);
  EXPECT_EQ(view.name, "two");
  EXPECT_EQ(view.axes, (std::vector<std::string>{"tower", "data", "seed"}));
  EXPECT_EQ(view.stages, (std::vector<std::string>{"train", "eval"}));
  EXPECT_TRUE(view.broken.empty());
  ASSERT_EQ(view.cells.size(), 8U);
  const auto state = [&](const std::string& name) { return cell_of(view, name).state; };
  EXPECT_EQ(state("B_full_0"), "done");
  EXPECT_EQ(state("B_full_1"), "eval missing");
  EXPECT_EQ(state("B_half_0"), "failed");
  EXPECT_EQ(state("B_half_1"), "given up");
  EXPECT_EQ(state("S_full_0"), "lost");  // nobody holds its lock
  EXPECT_EQ(state("S_full_1"), "stopped");
  EXPECT_EQ(state("S_half_0"), "missing");
  EXPECT_EQ(cell_of(view, "S_full_1").kind, StateKind::stopped);
  EXPECT_EQ(cell_of(view, "B_full_1").kind, StateKind::missing);
  const StageNote& failed = cell_of(view, "B_half_0").stages.front();
  EXPECT_EQ(failed.reason, "clip_hpc: device: it broke");
  EXPECT_EQ(failed.attempts, 2);
  EXPECT_EQ(failed.lost, 1);
  EXPECT_EQ(failed.exit_code, 5);
  EXPECT_EQ(failed.host, "node3");
  const StudyCell& done = cell_of(view, "B_full_0");
  EXPECT_EQ(done.tower, "B");
  EXPECT_EQ(done.strategy, "clip");
  EXPECT_EQ(done.label_of("data"), "full");
  EXPECT_EQ(done.results.size(), 4U);
  EXPECT_EQ(done.stages[0].starts, 2);
  EXPECT_DOUBLE_EQ(done.stages[0].wall_hours, 1.5);  // the first start died without a word
  EXPECT_DOUBLE_EQ(done.stages[1].wall_hours, 0.25);
}

TEST(StudyCells, BrokenCellsCostThemselvesAlone) {
  const Project project;
  const StudyFolder study = make_study(project);
  for (const char* cell : {"B_full_0", "B_full_1", "B_half_0", "B_half_1", "S_full_0"}) finish_cell(study, cell);
  write_file_atomic(study.state_file("B_full_0", "train"), "{\"state\": ");
  write_file_atomic(study.state_file("B_full_1", "eval"), "[1]");
  write_file_atomic(study.run("B_half_0").results_file(), "[{");
  write_file_atomic(study.run("B_half_1").metrics_file(), "{\"step\": 1}\nnonsense\n{\"step\": 2}\n");
  write_file_atomic(study.cell("S_full_0") / "history.log", "nothing of\nthis kind\n");
  const StudyView view = read_study_view(study.path);
  EXPECT_EQ(cell_of(view, "B_full_0").state, "unreadable");
  EXPECT_EQ(cell_of(view, "B_full_1").state, "eval unreadable");
  EXPECT_EQ(cell_of(view, "B_full_1").kind, StateKind::failed);
  EXPECT_EQ(cell_of(view, "B_half_0").state, "done");
  EXPECT_TRUE(cell_of(view, "B_half_0").results.empty());
  EXPECT_EQ(cell_of(view, "S_full_0").state, "done");
  EXPECT_EQ(view.broken.size(), 4U);

  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--study", study.path, "--output", project.scratch / "out"}, out, err), 3);
  const std::string page = read_text_file(project.scratch / "out/index.html");
  for (const char* text :
       {"B_full_0/train.json is not valid JSON", "eval of B_full_1: ", "B_half_0/run/results.json is not valid JSON",
        "B_half_1/run/metrics.jsonl line 2 is broken"}) {
    EXPECT_PRED2(contains, page, text);
    EXPECT_PRED2(contains, err.str(), text);
  }
  const auto first = err.str().find("B_half_0/run/results.json");
  EXPECT_EQ(first, err.str().rfind("B_half_0/run/results.json"));  // said once
}

TEST(StudyCells, TheTableAloneKnowsStatesAndResults) {
  const Project project;
  const StudyFolder study = make_study(project);
  finish_cell(study, "S_half_1");
  const StudyTable table = collect_study(study);
  write_json_file(project.scratch / "table.json", table.json);
  std::filesystem::remove_all(study.path);
  const StudyView view = read_study_view(project.scratch / "table.json");
  EXPECT_EQ(cell_of(view, "S_half_1").state, "done");
  EXPECT_EQ(cell_of(view, "S_half_0").state, "missing");
  EXPECT_EQ(cell_of(view, "S_half_1").results.size(), 4U);
  EXPECT_TRUE(cell_of(view, "S_half_1").stages.empty());
  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--study", project.scratch / "table.json", "--output", project.scratch / "out"}, out, err),
            0)
      << err.str();
  EXPECT_PRED2(contains, out.str(), "study two: 8 cells, 1 done, 7 missing");
}

TEST(StudyCells, AStudyOfWhichNothingRanGivesAReport) {
  const Project project;
  const StudyFolder study = make_study(project);
  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--study", study.path, "--output", project.scratch / "out", "--gpu-hours", "5"}, out, err),
            0)
      << err.str();
  const std::string page = read_text_file(project.scratch / "out/index.html");
  EXPECT_PRED2(contains, page, "the study has no results");
  EXPECT_PRED2(contains, page, "<b>missing</b> (8): B_full_0, B_full_1");
}

TEST(StudyCells, AStudyIsNotTakenForRuns) {
  const Project project;
  const StudyFolder study = make_study(project);
  test::expect_error(ErrorKind::input, {"is the folder of a study: give --study"}, [&] { load_runs({study.path}); });
}

TEST(StudyCells, WhatIsNoStudyIsNamed) {
  const Scratch scratch;
  test::expect_error(ErrorKind::input, {"is no study"}, [&] { read_study_view(scratch.path()); });
  write_file_atomic(scratch / "table.json", "{\"cells\": [3]}");
  test::expect_error(ErrorKind::storage, {"clip_study collect"}, [&] { read_study_view(scratch / "table.json"); });
}

}  // namespace
}  // namespace clip_hpc
