#include "clip_hpc/train/identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

RunIdentity identity_with(const std::vector<std::string>& overrides) {
  OptionTable table;
  RunConfig config;
  describe(table, config);
  table.parse({}, overrides);
  return {.settings = settings_of(table.dump()),
          .content = {{"training sets", {"100 samples, checksum 1, weight 1"}}, {"subset", "none"}, {"tokenizer", "a"}},
          .model = to_json(parse_model_config(
              read_json_file(std::string(std::getenv("CLIP_HPC_SOURCE_DIR")) + "/configs/models/tiny.json"), "tiny")),
          .total_steps = 50};
}

Json about(const RunIdentity& identity) {
  Json json = {{"config_hash", "0"}};
  write_identity(json, identity);
  return json;
}

using Lines = std::vector<std::string>;

TEST(RunIdentity, IsTheSameAsItself) {
  const RunIdentity run = identity_with({"data.train=a", "data.train=b", "optim.lr=0.01"});
  const Differences found = differences(about(run), {}, run);
  EXPECT_EQ(found.refused, Lines{});
  EXPECT_EQ(found.branching, Lines{});
  EXPECT_EQ(found.allowed, Lines{});
  EXPECT_EQ(run.settings.at("data.train"), "a, b");
}

TEST(RunIdentity, TellsWhatMayChangeWhatABranchMayAndWhatNever) {
  const RunIdentity before = identity_with({});
  const RunIdentity now =
      identity_with({"run.seed=2", "optim.lr=0.01", "train.threads=3", "eval.data=x", "data.train=y",
                     "checkpoint.keep=9", "strategy.name=flip", "train.global_batch=512"});
  const Differences found = differences(about(before), {}, now);
  EXPECT_EQ(found.refused, (Lines{"run.seed: 0, now 2", "train.global_batch: 256, now 512"}));
  EXPECT_EQ(found.branching, (Lines{"optim.lr: 0.001, now 0.01", "strategy.name: clip, now flip"}));
  EXPECT_EQ(found.allowed, Lines{});
}

TEST(RunIdentity, SeesWhatStandsBehindTheNames) {
  const RunIdentity before = identity_with({});
  RunIdentity now = before;
  now.content["training sets"] = {"100 samples, checksum 2, weight 1"};
  now.content["tokenizer"] = "b";
  now.model["model_cfg"]["text_cfg"]["heads"] = 1;
  const Differences found = differences(about(before), {}, now);
  ASSERT_EQ(found.refused.size(), 2U);
  EXPECT_EQ(found.refused[0], "tokenizer: a, now b");
  EXPECT_NE(found.refused[1].find("heads"), std::string::npos) << found.refused[1];
  ASSERT_EQ(found.branching.size(), 1U);
  EXPECT_NE(found.branching[0].find("checksum 1"), std::string::npos);
}

// A key at its default may stand in the file or not.
TEST(RunIdentity, AModelKeyThatIsAddedOrTakenOutIsSeen) {
  const RunIdentity plain = identity_with({});
  RunIdentity quick = plain;
  ModelConfig model = parse_model_config(plain.model, "tiny");
  model.quick_gelu = true;
  quick.model = to_json(model);
  for (const Differences& found : {differences(about(plain), {}, quick), differences(about(quick), {}, plain)}) {
    ASSERT_EQ(found.refused.size(), 1U);
    EXPECT_NE(found.refused[0].find("quick_gelu"), std::string::npos) << found.refused[0];
  }
}

// The view of test images stands in the model that a checkpoint keeps, and trains nothing: an older checkpoint has
// none.
TEST(RunIdentity, AnotherViewOfTestImagesIsTheSameRun) {
  const RunIdentity before = identity_with({});
  RunIdentity now = identity_with({"eval.view=eval", "data.allow_repeats=true"});
  ModelConfig model = parse_model_config(before.model, "tiny");
  model.view = "eval";
  now.model = to_json(model);
  for (const Differences& found : {differences(about(before), {}, now), differences(about(now), {}, before)}) {
    EXPECT_EQ(found.refused, Lines{});
    EXPECT_EQ(found.branching, Lines{});
  }
  model.norm.mean[0] = 0.25;  // what the towers see does
  now.model = to_json(model);
  EXPECT_EQ(differences(about(before), {}, now).refused.size(), 1U);
}

TEST(RunIdentity, ALongerRunIsAResumedOneAndAShorterOneABranch) {
  const RunIdentity before = identity_with({});
  RunIdentity now = before;
  now.total_steps = 80;
  EXPECT_EQ(differences(about(before), {}, now).allowed, (Lines{"length: 50 steps, now 80"}));
  now.total_steps = 40;
  EXPECT_EQ(differences(about(before), {}, now).branching, (Lines{"length: 50 steps, now 40"}));
}

TEST(RunIdentity, OldCheckpointsAreComparedWithTheirConfigurationFile) {
  const RunIdentity now = identity_with({"optim.lr=0.01"});
  Json old = about(now);
  old.erase("config");
  old.erase("content");
  std::map<std::string, std::string> settings = identity_with({}).settings;
  settings.erase("strategy.loss");  // a key that came later: the old program trained as its default does
  EXPECT_EQ(differences(old, settings, now).branching, (Lines{"optim.lr: 0.001, now 0.01"}));
  EXPECT_EQ(differences(old, {}, now).branching, Lines{});  // nothing is known
}

TEST(RunIdentity, TheAnswerNamesBothValuesAndOnlyWaysThatAreOpen) {
  const RunIdentity before = identity_with({});
  const RunFolder folder{"runs/x"};
  const RunIdentity rate = identity_with({"optim.lr=0.01"}), seed = identity_with({"run.seed=3"});
  test::expect_error(ErrorKind::input,
                     {"runs/x", "optim.lr: 0.001, now 0.01", "--run-dir", "--resume none", "--branch NAME"},
                     [&] { check_continues(folder, "c", about(before), rate, false); });
  check_continues(folder, "c", about(before), rate, true);  // a branch
  try {
    check_continues(folder, "c", about(before), seed, true);
    FAIL() << "another seed was accepted";
  } catch (const Error& problem) {
    EXPECT_EQ(std::string(problem.what()).find("--branch"), std::string::npos) << problem.what();
  }
}

// A new key of the configuration is decided on, or it never changes.
TEST(RunIdentity, EveryRuleMatchesAKey) {
  std::set<Change> seen;
  for (const auto& [key, value] : identity_with({}).settings) seen.insert(change_of(key));
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(change_of("run.seed"), Change::never);
  EXPECT_EQ(change_of("optim.name"), Change::never);
  EXPECT_EQ(change_of("optim.warmup"), Change::branch);
  EXPECT_EQ(change_of("optim.cooldown"), Change::branch);
  EXPECT_EQ(change_of("comm.backend"), Change::free);
}

}  // namespace
}  // namespace clip_hpc
