// Whole runs that are stopped, damaged and resumed, by themselves and by others.
#include "clip_hpc/train/saver.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/data/packed/subset.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "tests/train/whole_run.hpp"

namespace clip_hpc {
namespace {

// A signal to one rank stops all of them after the step, which the next session goes on from.
TEST_F(TrainLoop, StoppedAfterEveryStepTheBitsAreThoseOfAnUndisturbedRun) {
  TrainRequest whole = request("whole"), stopped = request("stopped");
  EXPECT_EQ(run(whole), kExitDone);
  const int signalled = test_world().size() - 1;
  for (std::int64_t step = 1; step < kSteps; ++step) {
    if (test_world().rank() == signalled) request_shutdown();
    ASSERT_EQ(run(stopped), kExitStoppedCleanly) << step;
    EXPECT_FALSE(shutdown_requested());
    ASSERT_EQ(stopped.folder.checkpoint_steps().back(), step);
  }
  EXPECT_EQ(run(stopped), kExitDone);
  expect_same_bits(state_at(whole, kSteps), state_at(stopped, kSteps));
  EXPECT_EQ(losses(whole), losses(stopped));
  test_world().barrier();
}

TEST_F(TrainLoop, AnyCheckpointLeadsToTheSameEnd) {
  TrainRequest whole = request("whole");
  whole.config.checkpoint.every_steps = 3;
  EXPECT_EQ(run(whole), kExitDone);
  EXPECT_EQ(whole.folder.checkpoint_steps(), (std::vector<std::int64_t>{3, 6, kSteps}));
  for (const std::int64_t step : {3, 6}) {
    TrainRequest again = request(fmt::format("again_{}", step));
    again.resume = whole.folder.checkpoint_path(step).string();
    EXPECT_EQ(run(again), kExitDone);
    expect_same_bits(state_at(whole, kSteps), state_at(again, kSteps));
  }
}

TEST_F(TrainLoop, LowPrecisionResumesToTheSameBitsToo) {
  TrainRequest whole = request("whole"), stopped = request("stopped");
  for (TrainRequest* one : {&whole, &stopped}) one->config.train.precision = "bf16";
  EXPECT_EQ(run(whole), kExitDone);
  request_shutdown();
  EXPECT_EQ(run(stopped), kExitStoppedCleanly);
  EXPECT_EQ(run(stopped), kExitDone);
  expect_same_bits(state_at(whole, kSteps), state_at(stopped, kSteps));
}

TEST_F(TrainLoop, ResumeSkipsBrokenCheckpointsAloud) {
  TrainRequest whole = request("whole");
  whole.config.checkpoint.every_steps = 2;
  EXPECT_EQ(run(whole), kExitDone);
  const State expected = state_at(whole, kSteps);
  test_world().barrier();
  test::on_rank_0([&] {
    std::filesystem::remove(whole.folder.checkpoint_path(8) / "manifest.json");
    std::filesystem::resize_file(whole.folder.checkpoint_path(6) / "model.safetensors", 100);
    const auto state = whole.folder.checkpoint_path(4) / "state.h5";
    test::flip_byte(state, open_state_file(state)[2].offset_bytes + 4000);  // of the last buffer that is read
    std::filesystem::create_directories(whole.folder.checkpoints_dir() / "step_000000010.tmp");
    std::filesystem::rename(whole.folder.checkpoint_path(2), whole.folder.checkpoint_path(2).string() + ".replaced");
  });
  EXPECT_EQ(run(whole), kExitDone);
  if (test_world().rank() == 0) {
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(8).string());
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(6).string());
    expect_log(whole, "model.safetensors is missing or truncated");
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(4).string());
    expect_log(whole, "checksum of ");
    expect_log(whole, "resumed from step 2 ");
    EXPECT_TRUE(std::filesystem::exists(whole.folder.checkpoint_path(4).string() + ".broken"));
    EXPECT_FALSE(std::filesystem::exists(whole.folder.checkpoints_dir() / "step_000000010.tmp"));
  }
  EXPECT_EQ(whole.folder.checkpoint_steps(), (std::vector<std::int64_t>{2, 4, 6, 8}));  // written again
  expect_same_bits(expected, state_at(whole, kSteps));
}

TEST_F(TrainLoop, WithOnlyDamagedCheckpointsTheRunDoesNotBeginAnew) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  test_world().barrier();
  test::on_rank_0([&] {
    const auto state = whole.folder.checkpoint_path(kSteps) / "state.h5";
    test::flip_byte(state, open_state_file(state)[2].offset_bytes + 4000);
  });
  test::expect_error(ErrorKind::storage, {"none of its 1 checkpoints can be read", "--resume none"},
                     [&] { run(whole); });
  EXPECT_EQ(whole.folder.checkpoint_steps(), std::vector<std::int64_t>{kSteps});  // still there to look at
}

TEST_F(TrainLoop, ACheckpointByNameMustBeWholeAndFit) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  TrainRequest other = whole;
  other.config.train.global_batch = kBatch / 2;
  test::expect_error(ErrorKind::input, {"train.global_batch"}, [&] { run(other); });
  test::on_rank_0([&] {
    std::string model = test::kTinyModel;
    model.replace(model.find("\"layers\": 2"), 11, "\"layers\": 1");
    write_file_atomic(folder_ / "other.json", model);
  });
  other = whole;
  other.config.model.config = (folder_ / "other.json").string();
  test::expect_error(ErrorKind::input, {"vision_cfg/layers: 2, now 1"}, [&] { run(other); });
  test::on_rank_0([&] {
    const auto state = whole.folder.checkpoint_path(kSteps) / "state.h5";
    test::flip_byte(state, open_state_file(state)[0].offset_bytes);
  });
  other = whole;
  other.resume = whole.folder.checkpoint_path(kSteps).string();
  test::expect_error(ErrorKind::storage, {"state.h5", "checksum"}, [&] { run(other); });
}

// What a finished run is said to be must stay what it was.
TEST_F(TrainLoop, AnotherConfigurationIsRefusedWithBothValues) {
  TrainRequest whole = request("whole");
  whole.config_text = "[run]\nseed = 0\n";
  EXPECT_EQ(run(whole), kExitDone);
  TrainRequest other = whole;
  other.config.run.seed = 5;
  other.config.optim.lr = 1e-3;
  other.config_text = "[run]\nseed = 5\n";
  test::expect_error(ErrorKind::input,
                     {"run.seed: 0, now 5", "optim.lr: 0.002, now 0.001", "--run-dir", "--resume none"},
                     [&] { run(other); });
  EXPECT_EQ(read_text_file(whole.folder.config_file()), whole.config_text);
  other = whole;
  other.config.data.workers = 1;
  other.config.checkpoint.keep = 3;
  EXPECT_EQ(run(other), kExitDone);
}

TEST_F(TrainLoop, ASetThatWasPackedAnewIsAnotherSet) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  TrainRequest moved = whole;
  test::on_rank_0([&] {
    std::filesystem::copy(folder_ / "set", folder_ / "moved", std::filesystem::copy_options::recursive);
    Json about = read_json_file(folder_ / "set/dataset.json");
    about["shards"][0]["xxh64"] = "0123456789abcdef";  // as if its shard were another one
    write_json_file(folder_ / "set/dataset.json", about);
  });
  moved.config.data.train = {(folder_ / "moved").string()};
  EXPECT_EQ(run(moved), kExitDone);  // the same samples in another place
  test::expect_error(ErrorKind::input, {"training sets: ", "checksum", "--branch NAME"}, [&] { run(whole); });
}

// What stands behind a name is looked at, not the name alone.
TEST_F(TrainLoop, WhatStandsBehindTheNamesIsCompared) {
  TrainRequest whole = request("whole");
  const auto draw = [&](std::uint64_t seed) {
    const PackedSet set(folder_ / "set");
    write_subset(folder_ / "subset.h5", set, draw_subset(set, 100, seed));
  };
  test::on_rank_0([&] { draw(1); });
  whole.config.data.subset = (folder_ / "subset.h5").string();
  EXPECT_EQ(run(whole), kExitDone);
  const auto refuses = [&](const std::string& words, const std::filesystem::path& file, const std::string& content) {
    std::string before;
    test::on_rank_0([&] {
      before = read_text_file(file);
      write_file_atomic(file, content);
    });
    test::expect_error(ErrorKind::input, {words, ", now "}, [&] { run(whole); });
    test_world().barrier();
    test::on_rank_0([&] { write_file_atomic(file, before); });
  };
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string model = test::kTinyModel;
  refuses("model /model_cfg/vision_cfg/head_width: 16", folder_ / "tiny.json",
          replaced(model, "\"head_width\": 16", "\"head_width\": 8"));
  refuses("model /preprocess_cfg/mean", folder_ / "tiny.json",
          fmt::format(R"({{"model_cfg": {}, "preprocess_cfg": {{"mean": [0.5, 0.5, 0.5]}}}})", model));
  const std::filesystem::path tokenizer = folder_ / "set" / kTokenizerFileName;
  refuses("tokenizer: checksum", tokenizer, with_cleaning(read_text_file(tokenizer), Cleaning::none));
  test::on_rank_0([&] { draw(2); });
  test::expect_error(ErrorKind::input, {"subset: 100 samples, checksum", ", now "}, [&] { run(whole); });
  test_world().barrier();
  test::on_rank_0([&] { draw(1); });
  EXPECT_EQ(run(whole), kExitDone);
}

TEST_F(TrainLoop, AShardThatIsAnotherOneIsSeenThoughItsListIsNot) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  test::on_rank_0([&] {  // the first two of 64 samples change places: two whole shards, another set
    test::write_noise_set(folder_ / "other");
    const auto shards = read_dataset_json(folder_ / "set").shards;
    const std::string first = read_text_file(folder_ / "set" / shards[0].file);
    const std::string second = read_text_file(folder_ / "set" / shards[1].file);
    write_file_atomic(folder_ / "set" / shards[0].file, second);
    write_file_atomic(folder_ / "set" / shards[1].file, first);
    DatasetInfo info = read_dataset_json(folder_ / "set");
    std::swap(info.shards[0].size_bytes, info.shards[1].size_bytes);  // their checksums stay where they were
    write_dataset_json(folder_ / "set", info);
  });
  test::expect_error(ErrorKind::input, {"tables of their shards: "}, [&] { run(whole); });
}

// Manifests that do not fit are passed over like any other damage.
TEST_F(TrainLoop, AManifestThatIsDamagedCostsItsCheckpointAlone) {
  TrainRequest whole = request("whole");
  whole.config.checkpoint.every_steps = 2;
  EXPECT_EQ(run(whole), kExitDone);
  const State expected = state_at(whole, kSteps);
  test_world().barrier();
  test::on_rank_0([&] {
    const auto change = [&](std::int64_t step, const std::function<void(Json&)>& damage) {
      const auto file = whole.folder.checkpoint_path(step) / "manifest.json";
      Json manifest = read_json_file(file);
      damage(manifest);
      write_json_file(file, manifest);
    };
    change(8, [](Json& manifest) { manifest.erase("about"); });
    change(6, [](Json& manifest) { manifest["about"]["applied"] = 2; });
    change(4, [](Json& manifest) { manifest["about"]["layout"][0][0] = "another"; });
  });
  EXPECT_EQ(run(whole), kExitDone);
  if (test_world().rank() == 0) {
    for (const std::int64_t step : {8, 6, 4})
      expect_log(whole, "skipping " + whole.folder.checkpoint_path(step).string());
    expect_log(whole, "resumed from step 2 ");
  }
  expect_same_bits(expected, state_at(whole, kSteps));
}

// The same words again, as a job that was preempted is submitted.
TEST_F(TrainLoop, ARunThatBeganFromANamedCheckpointGoesOnWhereItIs) {
  TrainRequest whole = request("whole"), other = request("other");
  whole.config.checkpoint.every_steps = 3;
  EXPECT_EQ(run(whole), kExitDone);
  other.config.optim.lr = 1e-4;
  other.config.checkpoint.every_steps = 2;
  other.resume = whole.folder.checkpoint_path(3).string();
  request_shutdown();
  EXPECT_EQ(run(other), kExitStoppedCleanly);
  EXPECT_EQ(other.folder.checkpoint_steps(), std::vector<std::int64_t>{4});
  EXPECT_EQ(run(other), kExitDone);
  EXPECT_EQ(other.folder.checkpoint_steps(), (std::vector<std::int64_t>{4, 6, kSteps}));
  if (test_world().rank() == 0) expect_log(other, "resumed from step 4 ");
}

TEST_F(TrainLoop, ABranchIsARunOfItsOwn) {
  TrainRequest whole = request("whole"), branch = request("branch");
  whole.config.checkpoint.every_steps = 3;
  EXPECT_EQ(run(whole), kExitDone);
  const State end = state_at(whole, kSteps);
  branch.config.optim.lr = 1e-4;
  branch.config.train.samples = (kSteps + 4) * kBatch;
  branch.config.checkpoint.every_steps = 2;
  branch.branch_of = whole.folder;
  request_shutdown();
  EXPECT_EQ(run(branch), kExitStoppedCleanly);
  EXPECT_EQ(branch.folder.checkpoint_steps(), std::vector<std::int64_t>{kSteps + 1});
  EXPECT_EQ(run(branch), kExitDone);  // the same command resumes it
  EXPECT_EQ(branch.folder.checkpoint_steps().back(), kSteps + 4);
  EXPECT_EQ(read_provenance(branch.folder.provenance_file()).at(0).branch_of, whole.folder.path.native());
  expect_same_bits(end, state_at(whole, kSteps));
  EXPECT_EQ(whole.folder.checkpoint_steps(), (std::vector<std::int64_t>{3, 6, kSteps}));
}

}  // namespace
}  // namespace clip_hpc
