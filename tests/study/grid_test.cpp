#include "clip_hpc/study/grid.hpp"

#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(ParseCount, TakesUnitsAndNothingElse) {
  EXPECT_EQ(parse_count("128"), 128);
  EXPECT_EQ(parse_count("10k"), 10'000);
  EXPECT_EQ(parse_count("25M"), 25'000'000);
  EXPECT_EQ(parse_count("3.4B"), 3'400'000'000);
  EXPECT_EQ(parse_count("2.6B"), 2'600'000'000);
  for (const char* wrong : {"", "k", "-3", "1.5", "10K", "3e5", "1.2.3k", "10 k"}) EXPECT_EQ(parse_count(wrong), -1);
}

TEST(ConfigKeys, AreThoseOfTheConfigurationPage) {
  ASSERT_NE(find_config_key("optim.lr"), nullptr);
  EXPECT_EQ(find_config_key("optim.lr")->default_text, "0.001");
  EXPECT_TRUE(find_config_key("eval.data")->repeatable());
  EXPECT_EQ(find_config_key("optim.lrr"), nullptr);
  EXPECT_EQ(nearest_config_key("optim.lrr"), "optim.lr");
}

TEST(ConfigKeys, ValuesAreCheckedAsThePageSays) {
  const auto wrong = [](const char* key, const char* value) {
    return !complaint_about(*find_config_key(key), value).empty();
  };
  EXPECT_FALSE(wrong("strategy.name", "flip"));
  EXPECT_TRUE(wrong("strategy.name", "flap"));
  EXPECT_FALSE(wrong("strategy.mask_ratio", "0.95"));
  EXPECT_TRUE(wrong("strategy.mask_ratio", "0.96"));
  EXPECT_TRUE(wrong("train.global_batch", "1"));
  EXPECT_TRUE(wrong("train.global_batch", "64.5"));
  EXPECT_TRUE(wrong("train.epochs", "0"));
  EXPECT_TRUE(wrong("optim.lr", "nan"));
  EXPECT_TRUE(wrong("optim.lr", "1e-3x"));
  EXPECT_FALSE(wrong("train.recompute", "on"));
  EXPECT_TRUE(wrong("train.recompute", "maybe"));
}

TEST(Grid, MistakesAreNamedWithTheirLine) {
  const Project folder;
  const auto says = [&](const char* text, const char* words) {
    EXPECT_PRED2(starts_with, folder.complaint(text), words) << text;
  };
  says("[axis lr]\noptim.lrr = 1e-3\n", "6: unknown key \"optim.lrr\"; did you mean \"optim.lr\"?");
  says("[axis lr]\n", "5: axis lr has no values");
  says("[axis lr]\noptim.lr = 1e-3 1e-3\n", "6: axis lr has two values called 1e-3");
  says("[axes lr]\n", "5: unknown section [axes lr]");
  says("[axis lr]\nlow optim.lr\n", "6: expected key = value");
  says("[axis lr]\nlo_w = optim.lr=1e-3\n", "6: a label may have letters");
  for (const char* label : {".", "..", "...", "a/b"}) {  // a cell's folder is called by its labels
    says(fmt::format("[axis lr]\n{} = optim.lr=1e-3\n", label).c_str(), "6: a label may have letters");
  }
  says("[axis a]\nrun.seed = 0\n[study]\nname = ..\n", "8: name may have letters");
  says("[axis a]\nrun.seed = 0\n[study]\nname = a/b\n", "8: name may have letters");
  says("[axis lr]\nlow = optim.lr\n", "6: expected section.key=value");
  says("[axis a]\nrun.seed = 0\n[axis a]\nrun.seed = 1\n", "7: axis a is defined twice");
  says("[axis a]\nrun.seed = 0\n[grid g]\nb = 0\n", "8: there is no axis \"b\"; did you mean \"a\"?");
  says("[axis seed]\nrun.seed = 10 20\n[grid g]\nseed = 11\n",
       "8: axis seed has no value \"11\"; did you mean \"10\"?");
  says("[axis seed]\nrun.seed = 0 1\n[rules]\nskip = seed=2\n", "8: axis seed has no value \"2\"");
  says("[axis seed]\nrun.seed = 0 1\n[rules]\ndrop = seed=1\n", "8: unknown rule \"drop\"");
  says("[axis seed]\nrun.seed = 0 1\n[rules]\noverride = seed=1 optim.lr=1\n", "8: override is written");
  says("[axis seed]\nrun.seed = 0 1\n[rules]\nskip = seed=0,1\n", "5: [grid all] has no cell left");
  says("[axis seed]\nrun.seed = 0 1 2\n[grid g]\nseed = 0 1\nskip = seed=2\n", "9: this rule applies to no cell");
  says("[axis a]\nrun.seed = 0\n[axis b]\nx = run.seed=3\n", "8: axes a and b both set run.seed");
  says("[axis a]\nrun.seed = 0 1\n[axis b]\noptim.lr = 1e-3 2e-3 3e-3\n[grid g]\na = *\nb = *\npair = a b\n",
       "12: paired axes need as many values each: a has 2, b has 3");
  says("[axis a]\nrun.seed = 0\n[axis b]\noptim.lr = 1e-3\n[grid g]\na = *\npair = a b\n",
       "11: pair names axis b, which [grid g] does not give");
  says("[axis a]\nstudy.fractoin = 0.5\n", "6: unknown key \"study.fractoin\"");
  says("[axis a]\nstudy.fraction = 1.5\n", "6: study.fraction must lie in (0, 1]");
  says("[axis a]\nstudy.count = 10x\n", "6: study.count must be a number of samples");
  says("[axis a]\ndata.subset = x.h5\n", "6: data.subset is set by the study itself");
  says("[axis a]\nrun.seed = 0\n[class c]\nmax_gpu_hours = 10\n", "7: the largest class needs no max_gpu_hours");
  says("[axis a]\nrun.seed = 0\n[class c]\ntime = a day\n", "8: time is written as for sbatch");
  says("[axis a]\nrun.seed = 0\n[prepare]\nx = make x\n", "8: the command that makes x needs {}");
  says("[axis a]\nrun.seed = 0\n[study]\nnot_yet = a=7\n", "8: axis a has no value \"7\"");
  says("[axis a]\nrun.seed = 0\n[study]\nbase = nowhere.cfg\n", "8: base nowhere.cfg does not exist");
  EXPECT_PRED2(contains, folder.complaint("[rules]\n"), "no [axis NAME]");
}

TEST(Grid, BlocksPairAndSkipAndOverride) {
  const Project folder;
  const Plan plan = folder.plan(R"([axis size]
S = study.count=100
M = study.count=200
L = study.count=400
[axis seed]
run.seed = 0 1
[axis lr]
optim.lr = 1e-3 2e-3 3e-3
[rules]
skip = size=L seed=1
override = size=M,L : train.global_batch=100 optim.warmup=0
[grid sizes]
size = *
seed = *
[grid pairs]
size = S M L
lr = 3e-3 2e-3 1e-3
pair = size lr
)");
  std::vector<std::string> names;
  for (const Cell& cell : plan.cells) names.push_back(cell.name);
  EXPECT_EQ(names, (std::vector<std::string>{"S_0_1e-3", "S_1_1e-3", "M_0_1e-3", "M_1_1e-3", "L_0_1e-3", "S_0_3e-3",
                                             "M_0_2e-3"}));
  EXPECT_EQ(plan.points, 8);  // L_0_1e-3 in both blocks
  EXPECT_EQ(plan.cells[4].points.size(), 2U);
  EXPECT_EQ(value_of(plan.cells[0].settings, "train.global_batch"), "50");
  EXPECT_EQ(value_of(plan.cells[2].settings, "train.global_batch"), "100");
}

TEST(Grid, ABaseFileIsWhatCellsStartFrom) {
  const Project folder;
  const std::filesystem::path base = folder.scratch / "base.cfg";
  write_file_atomic(base,
                    "[run]\nname = x\n[train]\nsamples = 500\n[optim]\nlr = 5e-4 # half\n[eval]\ndata = a\ndata = b\n");
  const Plan plan =
      folder.plan(fmt::format("[study]\nbase = {}\n[axis length]\nlong = train.epochs=3\nbase =\n", base.native()));
  ASSERT_EQ(plan.cells.size(), 2U);
  EXPECT_EQ(plan.cells[0].samples, 3000);  // epochs replace the base's samples
  EXPECT_EQ(plan.cells[1].samples, 500);
  EXPECT_EQ(value_of(plan.cells[0].settings, "optim.lr"), "5e-4");
  EXPECT_EQ(plan.cells[0].settings.at("eval.data"), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(plan.cells[0].settings.contains("run.name"));
}

}  // namespace
}  // namespace clip_hpc
