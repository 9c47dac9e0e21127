#include "clip_hpc/study/plan.hpp"

#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/study/config_keys.hpp"
#include "clip_hpc/study/cost.hpp"
#include "clip_hpc/study/plan_table.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kModes = R"([axis data]
full =
half = study.count=500
[axis length]
one = train.epochs=1
same = train.samples=1000
)";

TEST(Plan, OneEpochOfTheWholeSetIsEquallyManySamplesAsWell) {
  const Project folder;
  const Plan plan = folder.plan(kModes);
  ASSERT_EQ(plan.cells.size(), 3U);
  EXPECT_EQ(plan.points, 4);
  EXPECT_EQ(plan.cells[0].name, "full_one");
  ASSERT_EQ(plan.cells[0].points.size(), 2U);
  EXPECT_EQ(plan.cells[0].points[1].labels, (std::vector<std::string>{"full", "same"}));
  EXPECT_FALSE(plan.cells[0].subset.has_value());
  EXPECT_EQ(plan.cells[1].name, "half_one");
  EXPECT_EQ(plan.cells[1].samples, 500);
  EXPECT_EQ(plan.cells[2].samples, 1000);
  EXPECT_EQ(plan.cells[2].set_samples, 500);
  ASSERT_EQ(plan.subsets.size(), 1U);  // of both cells
  EXPECT_EQ(plan.subsets[0].name, "500");
}

TEST(Plan, CostIsForwardMultiplyAddsTimesSamples) {
  const Project folder;
  const Plan plan = folder.plan(R"([study]
tflops = 0.5
[axis strategy]
clip =
flip = strategy.name=flip strategy.mask_ratio=0.5
twice = study.cost=2 run.seed=1
)");
  const ModelCost model = *cost_on_page(folder.scratch / "model.json");
  ASSERT_EQ(plan.cells.size(), 3U);
  EXPECT_DOUBLE_EQ(plan.cells[0].macs, model.macs(16, 16));
  EXPECT_DOUBLE_EQ(plan.cells[1].macs, model.macs(8, 16));
  EXPECT_DOUBLE_EQ(plan.cells[2].macs, 2 * model.macs(16, 16));
  EXPECT_DOUBLE_EQ(plan.cells[0].total_flops(), 6 * 1000 * plan.cells[0].macs);
  EXPECT_DOUBLE_EQ(plan.cells[0].gpu_hours, 6 * 1000 * plan.cells[0].macs / 0.5e12 / 3600);
  EXPECT_DOUBLE_EQ(plan.cells[0].storage_bytes, 3 * 16 * static_cast<double>(model.parameters));
}

TEST(Plan, RatesOfTheModelThenTheMedian) {
  const Project folder;
  const std::filesystem::path file = folder.scratch / "rate.jsonl";
  write_file_atomic(file, R"({"bench": "step", "model": "a", "precision": "bf16", "tflops": 30}
{"bench": "loss", "model": "a"}
{"bench": "step", "model": "b", "precision": "bf16", "tflops": 10}
{"bench": "step", "model": "c", "precision": "fp32", "tflops": 20}
)");
  const RateTable table = read_rates(file);
  EXPECT_EQ(table.tflops_of("a", "bf16"), 30);
  EXPECT_EQ(table.tflops_of("a", "fp32"), 20);
  write_file_atomic(file, "{\n");
  EXPECT_THROW(read_rates(file), Error);
  write_file_atomic(file, "{\"bench\": \"load\"}\n");
  EXPECT_THROW(read_rates(file), Error);
}

TEST(Plan, WhatABuildCannotTrainIsMarkedWhereTheGridAllowsIt) {
  const Project folder;
  constexpr const char* kText = "[axis strategy]\nclip =\nfuture = strategy.name=sliip\n";
  EXPECT_PRED2(starts_with, folder.complaint(kText),
               "5: [grid all], strategy=future: strategy.name must be one of: clip");
  const Plan plan = folder.plan(std::string("[study]\nnot_yet = strategy=future\n") + kText);
  ASSERT_EQ(plan.cells.size(), 2U);
  EXPECT_EQ(plan.cells[0].not_yet, "");
  EXPECT_EQ(plan.cells[1].not_yet, "strategy.name = sliip");
  EXPECT_PRED2(contains, plan_table(plan), "1 cells this build cannot train yet");

  constexpr const char* kTower = "[axis tower]\nnet = model.config=net.json study.gmacs=5 study.mparams=100\n";
  EXPECT_PRED2(contains, folder.complaint(kTower), "net.json does not exist");
  const Plan nets = folder.plan(std::string("[study]\nnot_yet = tower=net\n") + kTower);
  EXPECT_EQ(nets.cells[0].not_yet, "model.config = net.json");
  EXPECT_DOUBLE_EQ(nets.cells[0].macs, 5e9);
}

TEST(Plan, NonsenseIsRefusedWithItsLine) {
  const Project folder;
  const auto says = [&](const char* text, const char* words) {
    EXPECT_PRED2(contains, folder.complaint(text), words) << text;
  };
  says("[axis a]\nstudy.count = 2k\n", "5: [grid all], a=2k: study.count = 2000, but there are 1000 samples");
  says("[axis a]\ntrain.samples = 20\n", "20 samples are less than one step of train.global_batch = 50");
  says("[axis a]\noptim.warmup = 20\n", "optim.warmup = 20 steps, but the cell has 20");
  says("[axis a]\noptim.warmup_samples = 951\n", "optim.warmup_samples = 951 are 20 steps, but the cell has 20");
  says("[axis a]\nstudy.fraction = 0.5\n", "study.fraction needs [study] scores");
  says("[axis a]\noptim.lr = 11\n", "5: [grid all], a=11: optim.lr must be 0 to 10, got 11");
  says("[axis a]\nstrategy.image_size = 4096\n", "strategy.image_size = 4096: ");
  says("[axis a]\nstrategy.image_size = 9\n", "a multiple of");
  says("[axis a]\nx = optim.schedule=constant optim.cooldown=25\n",
       "the warm-up and optim.cooldown are 1 and 25 steps, but the cell has 20");
  says("[axis a]\nx = data.train=nowhere\n", "nowhere is not there, so its number of samples is unknown");
}

TEST(Plan, ASetThatIsNotPackedYetIsTakenAtTheGridsWord) {
  const Project folder;
  const Plan plan = folder.plan("[study]\ntrain_count = 3.4B\n[axis a]\nx = data.train=nowhere\n");
  EXPECT_EQ(plan.cells[0].samples, 3'400'000'000);
  EXPECT_PRED2(contains, plan_table(plan), "nowhere is not there yet");
}

TEST(Plan, QualityIsAFractionOfTheBestScores) {
  const Project folder;
  const std::string text =
      "[study]\nscores = s.h5\nnot_yet = quality=top40\n[axis quality]\nall =\ntop40 = study.fraction=0.4\n";
  const Grid grid = read_grid(folder.grid_file(folder.head() + text));
  const Plan plan = make_plan(grid, {});
  EXPECT_EQ(plan.cells[1].samples, 400);
  EXPECT_EQ(plan.subsets[0].name, "top40");
  EXPECT_EQ(plan.cells[1].not_yet, "");
  EXPECT_NE(make_plan(grid, {}, {.filters_by_score = false}).cells[1].not_yet, "");
}

TEST(Plan, TheGridsThatComeAlong) {
  const char* source = std::getenv("CLIP_HPC_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  std::filesystem::current_path(source);
  const Plan paper = make_plan(read_grid("configs/study/paper.cfg"), {});
  EXPECT_EQ(paper.cells.size(), 301U);  // about 300, shared points once
  const auto points_of = [&](const char* block) {
    std::ptrdiff_t count = 0;
    for (const Cell& cell : paper.cells) count += std::ranges::count(cell.points, block, &CellPoint::block);
    return count;
  };
  EXPECT_EQ(points_of("quantity"), 25);
  EXPECT_EQ(points_of("quality"), 9);
  EXPECT_EQ(points_of("augmentation"), 16);
  const auto b32 = std::ranges::find(paper.cells, "B32_full_all_one_clip_none_0", &Cell::name);
  ASSERT_NE(b32, paper.cells.end());
  EXPECT_NEAR(b32->macs / 1e9, 5.79, 0.06);  // figure 8b
  EXPECT_EQ(b32->samples, 3'400'000'000);
  EXPECT_EQ(make_plan(read_grid("configs/study/small.cfg"), {}).cells.size(), 48U);
  EXPECT_EQ(make_plan(read_grid("configs/study/towers_small.cfg"), {}).cells.size(), 60U);
  EXPECT_EQ(make_plan(read_grid("configs/study/strategies_small.cfg"), {}).cells.size(), 48U);
  EXPECT_EQ(make_plan(read_grid("configs/study/strategies_emoji.cfg"), {}).cells.size(), 24U);
  EXPECT_EQ(make_plan(read_grid("configs/study/quality_small.cfg"), {}).cells.size(), 30U);
  const Plan cooldowns = make_plan(read_grid("configs/study/cooldown_small.cfg"), {});
  EXPECT_EQ(cooldowns.cells.size(), 24U);
  EXPECT_EQ(std::ranges::count_if(cooldowns.cells, [](const Cell& cell) { return cell.fork.has_value(); }), 14);
  EXPECT_TRUE(std::ranges::all_of(paper.cells, [](const Cell& cell) { return cell.not_yet.empty(); }));
  EXPECT_LT(make_plan(read_grid("configs/study/medium.cfg"), {}).cells.size(), 100U);
}

TEST(CellConfiguration, AValueWithACommentSignIsReadBack) {
  const Settings settings{{"data.train", {"/sets/c#/x", "/sets/y"}}, {"run.name", {"plain"}}};
  std::vector<std::string> values;
  for (const IniLine& line : parse_ini(to_ini(settings), "cell.cfg")) {
    if (!line.key.empty()) values.push_back(line.value);
  }
  EXPECT_EQ(values, (std::vector<std::string>{"/sets/c#/x", "/sets/y", "plain"}));
}

}  // namespace
}  // namespace clip_hpc
