// Several lengths out of one run: which cells fork, from where, and who waits for whom.
#include "clip_hpc/study/forks.hpp"

#include "clip_hpc/study/folder.hpp"
#include "clip_hpc/study/plan_table.hpp"
#include "clip_hpc/study/slurm.hpp"
#include "tests/expect_error.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

// Batches of 50: 20, 40 and 100 steps, the last fifth of each cools down.
constexpr const char* kLengths = R"(optim.schedule = constant
optim.cooldown = 0.2
optim.warmup_samples = 100
optim.warmup = 0
[study]
fork_cooldowns = yes
tflops = 0.5
[axis length]
k1 = train.samples=1000
k2 = train.samples=2000
k5 = train.samples=5000
[axis seed]
run.seed = 0 1
)";

const Cell& cell_of(const Plan& plan, const std::string& name) {
  return *std::ranges::find(plan.cells, name, &Cell::name);
}

TEST(Forks, TheShorterBeginAtTheirCooldownFromTheLongest) {
  const Project folder;
  const Plan plan = folder.plan(kLengths);
  ASSERT_EQ(plan.cells.size(), 6U);
  for (const std::string seed : {"0", "1"}) {
    const Cell &k1 = cell_of(plan, "k1_" + seed), &k2 = cell_of(plan, "k2_" + seed), &k5 = cell_of(plan, "k5_" + seed);
    ASSERT_TRUE(k1.fork && k2.fork);
    EXPECT_FALSE(k5.fork);
    EXPECT_EQ(k1.fork->trunk, "k5_" + seed);
    EXPECT_EQ(k1.fork->step, 16);
    EXPECT_EQ(k2.fork->step, 32);
    EXPECT_EQ(k2.fork->samples, 1600);
    EXPECT_EQ(k2.own_samples(), 400);
    EXPECT_EQ(k5.settings.at("checkpoint.at_steps"), std::vector<std::string>{"16,32"});
    EXPECT_DOUBLE_EQ(k1.gpu_hours, k5.gpu_hours * 200 / 5000);
    EXPECT_DOUBLE_EQ(k1.total_macs(), k1.macs * 1000);  // the model's compute is that of its whole length
  }
  // 2 × (800 + 1600) of 2 × 8000 samples are not trained again.
  EXPECT_NE(plan_table(plan).find("4 cells fork from a longer one"), std::string::npos);
  EXPECT_NE(plan_table(plan).find("(30 % of the whole)"), std::string::npos);
}

TEST(Forks, WithoutTheLineNothingForks) {
  const Project folder;
  std::string text = kLengths;
  text.replace(text.find("fork_cooldowns = yes"), 20, "fork_cooldowns = no");
  for (const Cell& cell : folder.plan(text).cells) {
    EXPECT_FALSE(cell.fork);
    EXPECT_FALSE(cell.settings.contains("checkpoint.at_steps"));
  }
}

TEST(Forks, WhatDependsOnTheLengthIsRefused) {
  const Project folder;
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = kLengths;
    return text.replace(text.find(from), from.size(), to);
  };
  const auto says = [&](const std::string& text, const std::string& words) {
    EXPECT_NE(folder.complaint(text).find(words), std::string::npos) << folder.complaint(text);
  };
  says(changed("optim.warmup_samples = 100\noptim.warmup = 0\n", "optim.warmup = 0.05\n"),
       "write optim.warmup_samples");
  says(changed("optim.cooldown = 0.2\n", "optim.cooldown = 0.2\nstrategy.name = flip\nstrategy.unmasked = 0.1\n"),
       "strategy.unmasked");
  says(changed("optim.schedule = constant\noptim.cooldown = 0.2\n", ""), "finds no two cells");
  says(changed("fork_cooldowns = yes", "fork_cooldowns = maybe"), "yes or no");
}

TEST(Forks, TheFolderSaysWhereACellBegins) {
  const Project folder;
  const StudyFolder study{folder.scratch / "study"};
  write_study(study, folder.plan(kLengths));
  EXPECT_EQ(read_text_file(study.origin_file("k1_1")), "cells/k5_1/run/checkpoints/step_000000016\n");
  EXPECT_FALSE(std::filesystem::exists(study.origin_file("k5_1")));
  const PlannedStudy planned = read_study(study);
  EXPECT_EQ(std::ranges::find(planned.cells, "k2_0", &PlannedCell::name)->trunk, "k5_0");
  EXPECT_NE(read_text_file(study.cell("k5_0") / "config.cfg").find("at_steps = 16,32"), std::string::npos);
}

TEST(Forks, ACooldownOfNoStepForksNothing) {
  const Project folder;
  std::string text = kLengths;
  text.replace(text.find("cooldown = 0.2"), 14, "cooldown = 0.02");  // of 20 steps none, of 40 one, of 100 two
  const Plan plan = folder.plan(text);
  EXPECT_FALSE(cell_of(plan, "k1_0").fork);
  EXPECT_EQ(cell_of(plan, "k2_0").fork->step, 39);
}

TEST(Forks, CheckpointsThatAreAskedForStay) {
  const Project folder;
  const Plan plan = folder.plan("checkpoint.at_steps = 5\n" + std::string(kLengths));
  EXPECT_EQ(cell_of(plan, "k5_0").settings.at("checkpoint.at_steps"), std::vector<std::string>{"5,16,32"});
  const double parameters = cell_of(plan, "k5_0").parameters;  // two newest, one in writing, two that forks begin from
  EXPECT_DOUBLE_EQ(cell_of(plan, "k5_0").storage_bytes, (2 + 1 + 2) * 16 * parameters);
  EXPECT_DOUBLE_EQ(cell_of(plan, "k1_0").storage_bytes, (2 + 1) * 16 * parameters);
}

// A longer cell becomes the trunk; the old one has begun, and nothing is rewritten.
TEST(Forks, AStudyThatHasBegunIsLeftAsItIsWhereItCannotBeExtended) {
  const Project folder;
  const StudyFolder study{folder.scratch / "study"};
  write_study(study, folder.plan(kLengths));
  write_file_atomic(study.state_file("k5_0", "train"), "{}");
  std::string longer = kLengths;
  longer.replace(longer.find("[axis seed]"), 11, "k9 = train.samples=9000\n[axis seed]");
  test::expect_error(ErrorKind::input, {"k5_0 has begun", "at_steps = 16,32", "another --study"},
                     [&] { write_study(study, folder.plan(longer)); });
  EXPECT_EQ(read_text_file(study.origin_file("k1_0")), "cells/k5_0/run/checkpoints/step_000000016\n");
}

TEST(Forks, AForkIsSubmittedAfterItsTrunk) {
  const Project folder;
  const StudyFolder study{folder.scratch / "study"};
  write_study(study, folder.plan(kLengths));
  const PlannedStudy planned = read_study(study);
  std::map<std::pair<std::string, int>, StageStatus> status;
  for (const PlannedCell& cell : planned.cells) status[{"train", cell.task}].state = StageState::missing;
  const auto task_of = [&](const std::string& name) {
    return std::ranges::find(planned.cells, name, &PlannedCell::name)->task;
  };
  const auto all = plan_submission(planned, {}, status);
  ASSERT_EQ(all.size(), 3U);  // the trunks, and the forks of each
  EXPECT_EQ(all[0].tasks, (std::vector<int>{task_of("k5_0"), task_of("k5_1")}));
  for (const Submission& forks : {all[1], all[2]}) {
    EXPECT_EQ(forks.tasks.size(), 2U);
    EXPECT_EQ(forks.follows, 0);
  }
  const std::string script = submit_script(study, planned, all, "");
  EXPECT_NE(script.find(fmt::format("--dependency=afterok:${{train_all}}_{} ", task_of("k5_0"))), std::string::npos)
      << script;
  // The trunk is in the queue, then done, then given up.
  const int trunk = task_of("k5_0");
  status[{"train", task_of("k5_1")}].state = StageState::done;
  const auto queued = plan_submission(planned, {{{"train", trunk}, {"77", "RUNNING"}}}, status);
  ASSERT_EQ(queued.size(), 2U);
  EXPECT_EQ(queued[0].after, "77");
  EXPECT_EQ(queued[0].trunk, trunk);
  EXPECT_TRUE(queued[1].after.empty() && queued[1].follows == -1);  // of the trunk that is done
  status[{"train", trunk}].state = StageState::given_up;
  EXPECT_EQ(plan_submission(planned, {}, status).size(), 1U);
  const std::vector<std::string> blocked = forks_without_trunk(planned, status);
  ASSERT_EQ(blocked.size(), 2U);
  EXPECT_EQ(blocked[0], "k1_0 waits for k5_0, which was given up: its train.log says why");
}

}  // namespace
}  // namespace clip_hpc
