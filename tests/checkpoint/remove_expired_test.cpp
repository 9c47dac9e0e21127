#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <vector>

#include "clip_hpc/checkpoint/training_state.hpp"
#include "tests/data/data_fixtures.hpp"

namespace {
std::function<void()> before_unlink;  // what a kill at that moment would leave behind
}

// Takes the place of the C library's: files are removed by it.
extern "C" int unlinkat(int folder, const char* name, int flags) {  // NOLINT
  if (before_unlink) before_unlink();
  return static_cast<int>(::syscall(SYS_unlinkat, folder, name, flags));
}

namespace clip_hpc {
namespace {

struct SavedRun {
  test::TempFolder place;
  RunFolder folder{place / "run"};
  explicit SavedRun(const std::vector<std::int64_t>& steps) {
    folder.create();
    for (const std::int64_t step : steps) {
      std::filesystem::create_directory(folder.checkpoint_path(step));
      for (const char* name : {"manifest.json", "model.safetensors", "state.h5"}) {
        std::ofstream(folder.checkpoint_path(step) / name) << step;
      }
    }
  }
};

TEST(RemoveExpired, NoCheckpointIsEverHalfUnderItsName) {
  const SavedRun run({10, 20, 30});
  int moments = 0;
  before_unlink = [&] {
    ++moments;
    for (const std::int64_t step : run.folder.checkpoint_steps()) {
      for (const char* name : {"manifest.json", "model.safetensors", "state.h5"}) {
        EXPECT_TRUE(std::filesystem::exists(run.folder.checkpoint_path(step) / name)) << step << " " << name;
      }
    }
  };
  remove_expired(run.folder, {.keep = 1});
  before_unlink = nullptr;
  EXPECT_GE(moments, 6);
  EXPECT_EQ(run.folder.checkpoint_steps(), (std::vector<std::int64_t>{30}));
  for (const auto& entry : std::filesystem::directory_iterator(run.folder.checkpoints_dir())) {
    EXPECT_EQ(entry.path(), run.folder.checkpoint_path(30));
  }
}

TEST(RemoveExpired, WhatAKilledRemovalLeftIsNoHindrance) {
  const SavedRun run({10, 20});
  const std::filesystem::path left = run.folder.checkpoint_path(10).native() + ".tmp";
  std::filesystem::create_directory(left);
  std::ofstream(left / "state.h5") << "half";
  remove_expired(run.folder, {.keep = 1});
  EXPECT_EQ(run.folder.checkpoint_steps(), (std::vector<std::int64_t>{20}));
  EXPECT_FALSE(std::filesystem::exists(left));
}

// A folder elsewhere, to which a checkpoint's name is a link, is not emptied.
TEST(RemoveExpired, ALinkGoesAndWhatItNamesStays) {
  const SavedRun run({20});
  const std::filesystem::path elsewhere = run.place / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  std::ofstream(elsewhere / "kept") << "x";
  std::filesystem::create_directory_symlink(elsewhere, run.folder.checkpoint_path(10));
  remove_expired(run.folder, {.keep = 1});
  EXPECT_TRUE(std::filesystem::exists(elsewhere / "kept"));
  EXPECT_FALSE(std::filesystem::is_symlink(run.folder.checkpoint_path(10)));
}

}  // namespace
}  // namespace clip_hpc
