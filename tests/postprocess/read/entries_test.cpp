#include "postprocess/read/entries.hpp"

#include <gtest/gtest.h>

#include "tests/postprocess/synthetic_study.hpp"

namespace clip_hpc {
namespace {

TEST(Entries, CellsComeFirstThenRunsOfNoCell) {
  const Project project;
  const StudyFolder study = make_study(project);
  finish_cell(study, "S_full_0");
  make_run(project.scratch / "other");
  const StudyView view = read_study_view(study.path);
  std::vector<NamedRun> named;
  for (const StudyCell& cell : view.cells) named.push_back({cell.name, cell.run});
  const std::vector<RunRecord> runs = load_runs(named, {project.scratch / "other", study.run("S_full_0").path});
  ASSERT_EQ(runs.size(), 2U);  // the run of the cell is named by both, and is one
  EXPECT_EQ(runs[0].name, "S_full_0");
  std::vector<std::string> broken;
  const std::vector<Entry> entries = entries_of(runs, view, broken);
  ASSERT_EQ(entries.size(), 9U);
  EXPECT_EQ(entries[0].name, "B_full_0");
  EXPECT_EQ(entries[0].run, nullptr);
  EXPECT_EQ(entries[4].name, "S_full_0");
  EXPECT_EQ(entries[4].run, &runs[0]);
  EXPECT_EQ(entries[4].series(), "S, clip");
  EXPECT_EQ(entries[4].config.at("optim.lr"), "1e-3");
  EXPECT_EQ(entries[8].name, "other");
  EXPECT_EQ(entries[8].cell, nullptr);
}

TEST(Entries, OfManyRunsTheBestOfEachSeriesAreDrawn) {
  std::vector<RunRecord> runs(20);
  std::vector<Entry> entries(20);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].name = fmt::format("r{}", i);
    runs[i].metrics.resize(1);
    Result result;
    result.dataset = "d";
    result.metrics = {{"acc1", 0.01 * static_cast<double>(i)}};
    runs[i].results.push_back(result);
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    entries[i].run = &runs[i];
    entries[i].tracks = tracks_of(runs[i]);
    entries[i].tower = i < 5 ? "small" : "large";
  }
  runs[19].metrics.clear();  // nothing to draw
  const std::vector<RunRecord> drawn = drawn_runs(runs, entries);
  ASSERT_EQ(drawn.size(), kDrawnRuns);
  EXPECT_EQ(drawn[0].name, "r18");
  EXPECT_EQ(drawn[1].name, "r4");
  EXPECT_EQ(drawn[2].name, "r17");
  runs.resize(3);
  EXPECT_EQ(drawn_runs(runs, entries).size(), 3U);
}

}  // namespace
}  // namespace clip_hpc
