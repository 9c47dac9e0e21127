#include "clip_hpc/checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kNumel = 1003;  // no multiple of the ranks

using test::on_rank_0;
using test::SharedFolder;

TrainState make_state(double seed) {
  TrainState state;
  for (const char* name : {"master", "m", "v"}) {
    state.buffers.emplace_back(name, at::arange(kNumel, at::kFloat).mul(0.37).add(seed).sin());
    seed += 1;
  }
  state.weights = {{"w", at::arange(6, at::kFloat).view({2, 3})}};
  state.about = {{"step", 7}, {"samples_seen", 70}};
  return state;
}

TrainState empty_state() {
  TrainState state;
  for (const char* name : {"master", "m", "v"}) state.buffers.emplace_back(name, at::zeros({kNumel}, at::kFloat));
  return state;
}

TEST(Checkpoint, EveryRankGetsBackEveryBit) {
  const SharedFolder folder;
  const TrainState written = make_state(0.5);
  save_checkpoint(test_world(), folder / "step_000000007", written);
  EXPECT_FALSE(std::filesystem::exists(folder / "step_000000007.tmp"));
  const CheckpointInfo info = inspect_checkpoint(folder / "step_000000007");
  ASSERT_TRUE(info.about) << info.problem;
  EXPECT_EQ(info.about->at("step"), 7);
  TrainState read = empty_state();
  const Json about = restore_checkpoint(folder / "step_000000007", read);
  EXPECT_EQ(about, written.about);
  for (std::size_t i = 0; i < written.buffers.size(); ++i) {
    EXPECT_TRUE(at::equal(read.buffers[i].second, written.buffers[i].second)) << written.buffers[i].first;
  }
  const Json manifest = Json::parse(read_text_file(folder / "step_000000007/manifest.json"));
  EXPECT_EQ(manifest.at("slices").size(), static_cast<std::size_t>(test_world().size()));
}

// What each rank has of the state does not show in the file, and any sharing reads it again.
TEST(Checkpoint, SharedStateIsWrittenAndReadInParts) {
  const SharedFolder folder;
  World& world = test_world();
  const TrainState whole = make_state(0.5);
  const auto share_of = [&](const TrainState& from, int part, int parts) {
    const ArenaSlice slice = arena_slice(kNumel, {part, parts});
    TrainState state;
    state.first = slice.begin;
    state.numel = kNumel;
    state.layout = {{"a", {3, 7}, 0, 21, true}, {"b", {kNumel - 21}, 21, kNumel - 21, false}};
    state.about = from.about;
    for (const auto& [name, tensor] : from.buffers)
      state.buffers.emplace_back(name, tensor.narrow(0, slice.begin, slice.size()).clone());
    return state;
  };
  const auto path = folder / "step_000000007";
  save_checkpoint(world, path, share_of(whole, world.rank(), world.size()));
  const NamedTensors weights = read_checkpoint_weights(path);
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_TRUE(at::equal(weights[0].second, whole.buffers[0].second.narrow(0, 0, 21).view({3, 7})));
  EXPECT_TRUE(at::equal(weights[1].second, whole.buffers[0].second.narrow(0, 21, kNumel - 21)));
  TrainState read = empty_state();
  EXPECT_EQ(restore_checkpoint(path, read), whole.about);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(read.buffers[i].second, whole.buffers[i].second));
  for (const int parts : {1, 2, 5, 100}) {
    for (int part = 0; part < parts; ++part) {
      const TrainState wanted = share_of(whole, part, parts);
      TrainState got = share_of(empty_state(), part, parts);
      restore_checkpoint(path, got);
      for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(at::equal(got.buffers[i].second, wanted.buffers[i].second)) << part << " of " << parts;
      }
    }
  }
}

TEST(Checkpoint, WhatAKilledSaveLeftIsOverwritten) {
  const SharedFolder folder;
  on_rank_0([&] {
    std::filesystem::create_directories(folder / "step_000000007.tmp");
    std::ofstream(folder / "step_000000007.tmp/state.h5") << "half of a file";
    std::ofstream(folder / "step_000000007.tmp/other") << "of another version";
  });
  EXPECT_FALSE(inspect_checkpoint(folder / "step_000000007").about);
  save_checkpoint(test_world(), folder / "step_000000007", make_state(1));
  EXPECT_FALSE(std::filesystem::exists(folder / "step_000000007/other"));
  save_checkpoint(test_world(), folder / "step_000000007", make_state(2));  // and so is the same step
  TrainState read = empty_state();
  restore_checkpoint(folder / "step_000000007", read);
  EXPECT_TRUE(at::equal(read.buffers[0].second, make_state(2).buffers[0].second));
}

TEST(Checkpoint, AnIncompleteOneDoesNotExist) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007";
  save_checkpoint(test_world(), path, make_state(1));
  const auto state_size = std::filesystem::file_size(path / "state.h5");
  test_world().barrier();
  on_rank_0([&] { std::filesystem::resize_file(path / "state.h5", state_size - 1); });
  EXPECT_FALSE(inspect_checkpoint(path).about);
  EXPECT_NE(inspect_checkpoint(path).problem.find("state.h5"), std::string::npos);
  TrainState read = empty_state();
  test::expect_error(ErrorKind::storage, {"step_000000007", "state.h5"}, [&] { restore_checkpoint(path, read); });
  test_world().barrier();
  on_rank_0([&] {
    std::filesystem::resize_file(path / "state.h5", state_size);
    std::filesystem::rename(path / "manifest.json", path / "manifest.old");
  });
  EXPECT_FALSE(inspect_checkpoint(path).about);
}

TEST(Checkpoint, ADamagedByteIsFound) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007";
  save_checkpoint(test_world(), path, make_state(1));
  on_rank_0([&] { test::flip_byte(path / "state.h5", open_state_file(path / "state.h5")[1].offset_bytes + 4 * 500); });
  TrainState read = empty_state();
  test::expect_error(ErrorKind::storage, {"state.h5", "checksum of m", "older"},
                     [&] { restore_checkpoint(path, read); });
}

// A manifest is read as carefully as the data: what it does not cover would be resumed unchecked.
TEST(Checkpoint, AManifestThatDoesNotFitIsRefused) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007", manifest_file = path / "manifest.json";
  save_checkpoint(test_world(), path, make_state(1));
  const Json good = read_json_file(manifest_file);
  const auto fails = [&](const std::string& word, const std::function<void(Json&)>& change) {
    test_world().barrier();
    on_rank_0([&] {
      Json manifest = good;
      change(manifest);
      write_json_file(manifest_file, manifest);
    });
    TrainState read = empty_state();
    test::expect_error(ErrorKind::storage, {"step_000000007", word}, [&] { restore_checkpoint(path, read); });
  };
  fails("schema version", [](Json& manifest) { manifest["schema_version"] = 99; });
  fails("do not cover master", [](Json& manifest) { manifest["slices"].erase(0); });
  fails("do not cover master", [](Json& manifest) { manifest["slices"].erase(manifest["slices"].size() - 1); });
  fails("do not cover master", [](Json& manifest) { manifest["slices"].back()["count"] = 1 << 20; });
  fails("do not cover master", [](Json& manifest) { manifest["slices"][0]["begin"] = -4; });
  fails("do not cover m:", [](Json& manifest) { manifest["slices"][0]["xxh64"].erase("m"); });
  fails("manifest.json", [](Json& manifest) { manifest.erase("slices"); });
  fails("manifest.json", [](Json& manifest) { manifest["slices"][0]["begin"] = "zero"; });
}

TEST(Checkpoint, AStateFileThatIsNoneIsRefused) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007";
  save_checkpoint(test_world(), path, make_state(1));
  on_rank_0([&] {
    const auto size = std::filesystem::file_size(path / "state.h5");
    write_file_atomic(path / "state.h5", std::string(size, 'x'));
  });
  TrainState read = empty_state();
  test::expect_error(ErrorKind::storage, {"state.h5"}, [&] { restore_checkpoint(path, read); });
}

TEST(Checkpoint, AnotherModelIsRefused) {
  const SharedFolder folder;
  save_checkpoint(test_world(), folder / "step_000000007", make_state(1));
  TrainState other;
  other.buffers.emplace_back("master", at::zeros({kNumel + 1}, at::kFloat));
  test::expect_error(ErrorKind::storage, {"another model"},
                     [&] { restore_checkpoint(folder / "step_000000007", other); });
}

TEST(Checkpoint, AFailureOfOneRankIsAFailureOfAll) {
  const SharedFolder folder;
  on_rank_0([&] { std::ofstream(folder / "file") << "not a folder"; });
  test::expect_error(ErrorKind::storage, {"checkpoint not written"},
                     [&] { save_checkpoint(test_world(), folder / "file" / "step_000000001", make_state(1)); });
}

TEST(Checkpoint, OldOnesExpire) {
  const CheckpointOptions two{.keep = 2};
  EXPECT_EQ(expired_checkpoints({30, 10, 20, 40}, two), (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(expired_checkpoints({10}, two), (std::vector<std::int64_t>{}));
  CheckpointOptions milestones{.keep = 1};
  milestones.keep_every = 20;
  EXPECT_EQ(expired_checkpoints({10, 20, 30, 40, 50}, milestones), (std::vector<std::int64_t>{10, 30}));
}

}  // namespace
}  // namespace clip_hpc
