#include "clip_hpc/train/claimed_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

std::vector<std::filesystem::path> entries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

TEST(ClaimedFolder, ASecondTrainerIsRefusedOnAllRanks) {
  const test::SharedFolder scratch;
  const RunFolder folder{scratch / "run"};
  World& world = test_world();
  {
    const ClaimedFolder mine(world, folder, false);
    EXPECT_TRUE(mine.is_held());
    test::expect_error(ErrorKind::input, {folder.path.native(), "is held by process", world.host_name()},
                       [&] { ClaimedFolder(world, folder, false); });
    EXPECT_TRUE(mine.is_held());
  }
  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(folder.lease_file()));
  world.barrier();
  EXPECT_TRUE(ClaimedFolder(world, folder, false).is_held());
}

TEST(ClaimedFolder, WhatKilledWritersLeftIsRemoved) {
  constexpr const char* kLeft[] = {"results.json.tmp.123",
                                   "features.part",
                                   "features/a.h5.tmp.123",
                                   "clip_benchmark/a.json.tmp.123",
                                   "pictures/0.png.tmp.123",
                                   "per_class/a.csv.tmp.123",
                                   "roll_call/1"};
  constexpr const char* kAUsers[] = {"config.cfg", "notes.tmp", "a.tmp.old"};
  const test::SharedFolder scratch;
  const RunFolder folder{scratch / "run"};
  World& world = test_world();
  test::on_rank_0([&] {
    folder.create();
    for (const char* name : kLeft) {
      std::filesystem::create_directories((folder.path / name).parent_path());
      write_file_atomic(folder.path / name, "x");
    }
    for (const char* name : kAUsers) write_file_atomic(folder.path / name, "x");
  });
  { const ClaimedFolder mine(world, folder, false); }
  world.barrier();
  for (const char* name : kLeft) EXPECT_FALSE(std::filesystem::exists(folder.path / name)) << name;
  for (const char* name : kAUsers) EXPECT_TRUE(std::filesystem::exists(folder.path / name)) << name;
  world.barrier();
}

TEST(ClaimedFolder, BeginningAnewKeepsTheOldRun) {
  const test::SharedFolder scratch;
  const RunFolder folder{scratch / "run"};
  World& world = test_world();
  test::on_rank_0([&] {
    folder.create();
    write_file_atomic(folder.config_file(), "old");
    std::filesystem::create_directories(folder.checkpoint_path(3));
  });
  const ClaimedFolder mine(world, folder, true);
  world.barrier();
  EXPECT_TRUE(folder.checkpoint_steps().empty());
  EXPECT_FALSE(std::filesystem::exists(folder.config_file()));
  const auto found = entries(scratch / "");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[1].native().find("run.aside_20"), std::string::npos) << found[1];
  EXPECT_EQ(RunFolder{found[1]}.checkpoint_steps(), std::vector<std::int64_t>{3});
  EXPECT_FALSE(std::filesystem::exists(RunFolder{found[1]}.lease_file()));
  EXPECT_EQ(find_run_folders(scratch / "").size(), 0U);  // reports leave it out
  world.barrier();
}

TEST(ClaimedFolder, BeginningAnewWhereNothingIsKeepsNothing) {
  const test::SharedFolder scratch;
  World& world = test_world();
  const ClaimedFolder mine(world, RunFolder{scratch / "run"}, true);
  world.barrier();
  EXPECT_EQ(entries(scratch / "").size(), 1U);
  world.barrier();
}

}  // namespace
}  // namespace clip_hpc
