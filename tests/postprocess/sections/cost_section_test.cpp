#include "postprocess/sections/cost_section.hpp"

#include <gtest/gtest.h>

#include "tests/postprocess/synthetic_study.hpp"

namespace clip_hpc {
namespace {

TEST(CostOfAStudy, SumsBySeriesStateAndStage) {
  const Project project;
  const StudyFolder study = make_study(project);
  finish_cell(study, "B_full_0");
  finish_cell(study, "S_half_0");
  make_run(study.run("S_half_1").path);
  set_state(study, "S_half_1", "train", "failed", 2, 5, false, 1);
  make_run(study.run("S_full_0").path);
  set_state(study, "S_full_0", "train", "stopped", 0, 75);
  const StudyView view = read_study_view(study.path);
  std::vector<NamedRun> named;
  for (const StudyCell& cell : view.cells) named.push_back({cell.name, cell.run});
  const std::vector<RunRecord> runs = load_runs(named, {});
  ASSERT_EQ(runs.size(), 4U);
  std::vector<std::string> broken;
  const std::vector<Entry> entries = entries_of(runs, view, broken);
  const RunsCost cost = cost_of(entries, view);

  const double hours = 7400.0 * 8 / 3600;  // of each of the four runs
  const double macs = view.cells.front().macs;
  EXPECT_EQ(cost.whole.cells, 8);
  EXPECT_EQ(cost.whole.done, 2);
  EXPECT_NEAR(cost.whole.measured_hours, 4 * hours, 1e-9);
  EXPECT_NEAR(cost.whole.planned_macs, macs * (4 * 1000 + 4 * 500), 1);
  EXPECT_NEAR(cost.whole.planned_hours, 6 * macs * 6000 / 1e12 / 3600, 1e-12);  // at 1 TFLOP/s
  EXPECT_NEAR(cost.whole.macs, macs * 4 * 25600, 1);                            // what the runs say they have seen
  EXPECT_NEAR(cost.whole.flops(), 6 * cost.whole.macs, 1);
  ASSERT_EQ(cost.by_series.size(), 2U);
  EXPECT_NEAR(cost.by_series.at("B, clip").measured_hours, hours, 1e-9);
  EXPECT_NEAR(cost.by_series.at("S, clip").measured_hours, 3 * hours, 1e-9);
  EXPECT_EQ(cost.by_state.at(StateKind::missing).cells, 4);
  EXPECT_NEAR(cost.wasted_share(), 0.25, 1e-9);
  EXPECT_NEAR(cost.unfinished_share(), 0.25, 1e-9);
  ASSERT_EQ(cost.stages.size(), 2U);
  EXPECT_EQ(cost.stages[0].done, 2);
  EXPECT_EQ(cost.stages[0].starts, 4);
  EXPECT_EQ(cost.stages[0].failed, 2);
  EXPECT_EQ(cost.stages[0].lost, 1);
  EXPECT_DOUBLE_EQ(cost.stages[0].wall_hours, 3);
  EXPECT_DOUBLE_EQ(cost.stages[1].wall_hours, 0.5);
  const std::string text = cost_section(cost, "rank hours");
  EXPECT_PRED2(contains, text, "25.0\u00a0% of the rank hours went into cells that failed");
  EXPECT_FALSE(contains(text, "energy"));  // nobody measured it
}

TEST(CostOfAStudy, EnergyIsSummedWhereItWasMeasured) {
  StudyView view;
  view.cells.resize(3);
  view.cells[0].energy_j = 3.6e6;
  view.cells[1].energy_j = 7.2e6;
  std::vector<std::string> broken;
  const RunsCost cost = cost_of(entries_of({}, view, broken), view);
  EXPECT_EQ(cost.whole.with_energy, 2);
  EXPECT_PRED2(contains, cost_section(cost, "GPU hours"), "<td data-v=\"3\">3</td></tr>");
}

TEST(CostOfAStudy, ForksSayWhatTheyDidNotTrainAgain) {
  StudyView view;
  view.cells.resize(2);
  for (StudyCell& cell : view.cells) cell.macs = 1e9;
  view.cells[0].samples = view.cells[0].samples_seen = 3000;
  view.cells[1].samples = view.cells[1].samples_seen = 1000;
  view.cells[1].shared_samples = 800;
  std::vector<std::string> broken;
  const RunsCost cost = cost_of(entries_of({}, view, broken), view);
  EXPECT_EQ(cost.whole.forks, 1);
  EXPECT_NEAR(cost.whole.planned_macs, 1e9 * 3200, 1);
  EXPECT_NEAR(cost.whole.shared_macs, 1e9 * 800, 1);
  EXPECT_PRED2(contains, cost_section(cost, "GPU hours"), "1 cells began from a checkpoint of a longer one");
  EXPECT_PRED2(contains, cost_section(cost, "GPU hours"), "(20.0\u00a0% of all)");
}

TEST(CostOfAStudy, RunsAloneHaveHours) {
  const Scratch scratch;
  make_run(scratch / "a");
  const std::vector<RunRecord> runs = load_runs({scratch.path()});
  std::vector<std::string> broken;
  const std::vector<Entry> entries = entries_of(runs, {}, broken);
  const RunsCost cost = cost_of(entries, {});
  EXPECT_NEAR(cost.whole.measured_hours, 7400.0 * 8 / 3600, 1e-9);
  EXPECT_EQ(std::string(hours_word(entries)), "rank hours");
  EXPECT_FALSE(contains(cost_section(cost, "rank hours"), "planned MACs"));
}

}  // namespace
}  // namespace clip_hpc
