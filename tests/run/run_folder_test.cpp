#include "clip_hpc/run/run_folder.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/run/run_options.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

TEST(RunFolder, NamesAndCheckpointSteps) {
  const Scratch scratch;
  const RunFolder run{scratch / "a"};
  EXPECT_TRUE(run.checkpoint_steps().empty());
  EXPECT_FALSE(run.exists());
  run.create();
  run.create();  // twice is fine: a resumed run does it
  EXPECT_FALSE(run.exists());
  EXPECT_EQ(run.checkpoint_path(123), scratch.path() / "a/checkpoints/step_000000123");
  for (const std::int64_t step : {200L, 30L, 1'234'567'890'123L}) {
    std::filesystem::create_directories(run.checkpoint_path(step));
  }
  std::filesystem::create_directories(run.checkpoints_dir() / "step_000000300.tmp");
  std::filesystem::create_directories(run.checkpoints_dir() / "step_");
  write_file_atomic(run.checkpoints_dir() / "step_000000400", "a file, no folder");
  EXPECT_EQ(run.checkpoint_steps(), (std::vector<std::int64_t>{30, 200, 1'234'567'890'123}));
}

TEST(RunFolder, FindsOneOrMany) {
  const Scratch scratch;
  for (const char* name : {"grid/b", "grid/a", "c"}) {
    const RunFolder run{scratch / name};
    run.create();
    write_file_atomic(run.config_file(), "");
  }
  std::filesystem::create_directories(scratch / "empty");
  const auto runs = find_run_folders(scratch.path());
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].path, scratch / "c");
  EXPECT_EQ(runs[1].path, scratch / "grid/a");
  EXPECT_EQ(find_run_folders(scratch / "c").size(), 1U);
  EXPECT_TRUE(find_run_folders(scratch / "empty").empty());
  EXPECT_THROW(find_run_folders(scratch / "absent"), Error);
}

TEST(RunFolder, ACellOfAStudyIsNoRunButHoldsOne) {
  const Scratch scratch;
  const RunFolder cell{scratch / "cells/a"}, run{scratch / "cells/a/run"};
  run.create();
  write_file_atomic(cell.config_file(), "");
  write_file_atomic(run.config_file(), "");
  const auto runs = find_run_folders(scratch.path());
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].path, run.path);
}

TEST(RunFolder, CreateBelowAFileIsAStorageError) {
  const Scratch scratch;
  write_file_atomic(scratch / "file", "");
  try {
    RunFolder{scratch / "file" / "run"}.create();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::storage);
    EXPECT_NE(std::string(error.what()).find("file/run"), std::string::npos);
  }
}

TEST(RunOptions, KeysAndChecks) {
  RunOptions options;
  OptionTable table;
  describe(table, options);
  table.parse({}, {"run.name=vit_s", "run.seed=7", "run.log_every=1", "run.dir=/data/runs"});
  EXPECT_EQ(options.name, "vit_s");
  EXPECT_EQ(options.dir, "/data/runs");
  EXPECT_EQ(options.seed, 7);
  EXPECT_EQ(options.log_every, 1);
  for (const char* bad : {"run.name=a/b", "run.name=..", "run.log_every=0", "run.seed=-1"}) {
    RunOptions fresh;
    OptionTable again;
    describe(again, fresh);
    EXPECT_THROW(again.parse({}, {bad}), Error) << bad;
  }
}

}  // namespace
}  // namespace clip_hpc
