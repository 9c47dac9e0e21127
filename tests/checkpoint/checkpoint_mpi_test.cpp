#include "clip_hpc/checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <functional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/checkpoint/checkpoint_writer.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kNumel = 1003;  // no multiple of the ranks

using test::on_rank_0;
using test::SharedFolder;

// Buffers of different lengths.
CheckpointContent empty_content() {
  CheckpointContent content;
  for (const char* name : {"master", "m", "v"}) content.buffers.push_back({name, at::zeros({kNumel}, at::kFloat)});
  content.buffers.push_back({"rows", at::zeros({17}, at::kFloat)});
  content.buffers.push_back({"scalar", at::zeros({1}, at::kFloat)});
  return content;
}

ParameterSpec spec_of(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t offset) {
  ParameterSpec spec;
  spec.name = name;
  spec.shape = shape;
  spec.offset = offset;
  spec.numel = c10::multiply_integers(shape);
  return spec;
}

CheckpointContent make_content(double seed) {
  CheckpointContent content = empty_content();
  for (const NamedBuffer& buffer : content.buffers) {
    buffer.tensor.copy_(at::arange(buffer.length(), at::kFloat).mul(0.37).add(seed).sin());
    seed += 1;
  }
  content.layout = {spec_of("w", {2, 3}, 0)};
  content.about = {{"step", 7}, {"samples_seen", 70}};
  content.counts = {{"applied", at::full({}, 6, at::kLong)}, {"skipped", at::full({}, 1, at::kLong)}};
  return content;
}

Json about_of(const CheckpointContent& content) {
  Json about = content.about;
  about.update({{"applied", 6}, {"skipped", 1}});
  return about;
}

// The part of a rank; what is short, every rank has as a whole.
CheckpointContent share_of(const CheckpointContent& whole, int part, int parts) {
  const ArenaSlice slice = arena_slice(kNumel, {part, parts});
  CheckpointContent content;
  content.layout = {spec_of("a", {3, 7}, 0), spec_of("b", {kNumel - 21}, 21)};
  content.about = whole.about;
  content.counts = whole.counts;
  for (const NamedBuffer& buffer : whole.buffers) {
    if (buffer.length() == kNumel) {
      content.buffers.push_back(
          {buffer.name, buffer.tensor.narrow(0, slice.begin, slice.size()).clone(), slice.begin, kNumel});
    } else {
      content.buffers.push_back({buffer.name, buffer.tensor.clone()});
    }
  }
  return content;
}

void expect_same(const CheckpointContent& found, const CheckpointContent& wanted) {
  for (std::size_t i = 0; i < wanted.buffers.size(); ++i) {
    EXPECT_TRUE(at::equal(found.buffers[i].tensor, wanted.buffers[i].tensor)) << wanted.buffers[i].name;
  }
}

TEST(Checkpoint, EveryRankGetsBackEveryBit) {
  const SharedFolder folder;
  const CheckpointContent written = make_content(0.5);
  save_checkpoint(test_world(), folder / "step_000000007", written);
  EXPECT_FALSE(std::filesystem::exists(folder / "step_000000007.tmp"));
  const CheckpointInfo info = inspect_checkpoint(folder / "step_000000007");
  ASSERT_TRUE(info.about) << info.problem;
  EXPECT_EQ(info.about->at("step"), 7);
  const CheckpointContent read = empty_content();
  EXPECT_EQ(restore_checkpoint(folder / "step_000000007", read.buffers), about_of(written));
  expect_same(read, written);
  const Json buffers = read_json_file(folder / "step_000000007/manifest.json").at("buffers");
  for (const auto& [name, numel] : {std::pair{"m", kNumel}, {"rows", std::int64_t{17}}, {"scalar", std::int64_t{1}}}) {
    EXPECT_EQ(buffers.at(name).at("numel"), numel);
    EXPECT_EQ(buffers.at(name).at("slices").size(), static_cast<std::size_t>(test_world().size()));
  }
}

// What each rank has of the state does not show in the file, and any sharing reads it again.
TEST(Checkpoint, SharedStateIsWrittenAndReadInParts) {
  const SharedFolder folder;
  World& world = test_world();
  const CheckpointContent whole = make_content(0.5);
  const auto path = folder / "step_000000007";
  save_checkpoint(world, path, share_of(whole, world.rank(), world.size()));
  const NamedTensors weights = read_checkpoint_weights(path);
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_TRUE(at::equal(weights[0].second, whole.buffers[0].tensor.narrow(0, 0, 21).view({3, 7})));
  EXPECT_TRUE(at::equal(weights[1].second, whole.buffers[0].tensor.narrow(0, 21, kNumel - 21)));
  const CheckpointContent read = empty_content();
  EXPECT_EQ(restore_checkpoint(path, read.buffers), about_of(whole));
  expect_same(read, whole);
  for (const int parts : {1, 2, 5, 100}) {
    for (int part = 0; part < parts; ++part) {
      SCOPED_TRACE(testing::Message() << part << " of " << parts);
      const CheckpointContent got = share_of(empty_content(), part, parts);
      restore_checkpoint(path, got.buffers);
      expect_same(got, share_of(whole, part, parts));
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
  save_checkpoint(test_world(), folder / "step_000000007", make_content(1));
  EXPECT_FALSE(std::filesystem::exists(folder / "step_000000007/other"));
  save_checkpoint(test_world(), folder / "step_000000007", make_content(2));  // and so is the same step
  const CheckpointContent read = empty_content();
  restore_checkpoint(folder / "step_000000007", read.buffers);
  EXPECT_TRUE(at::equal(read.buffers[0].tensor, make_content(2).buffers[0].tensor));
}

TEST(Checkpoint, AnIncompleteOneDoesNotExist) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007";
  save_checkpoint(test_world(), path, make_content(1));
  const auto state_size = std::filesystem::file_size(path / "state.h5");
  test_world().barrier();
  on_rank_0([&] { std::filesystem::resize_file(path / "state.h5", state_size - 1); });
  EXPECT_FALSE(inspect_checkpoint(path).about);
  EXPECT_NE(inspect_checkpoint(path).problem.find("state.h5"), std::string::npos);
  const CheckpointContent read = empty_content();
  test::expect_error(ErrorKind::storage, {"step_000000007", "state.h5"},
                     [&] { restore_checkpoint(path, read.buffers); });
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
  save_checkpoint(test_world(), path, make_content(1));
  on_rank_0([&] { test::flip_byte(path / "state.h5", open_state_file(path / "state.h5")[1].offset_bytes + 4 * 500); });
  const CheckpointContent read = empty_content();
  test::expect_error(ErrorKind::storage, {"state.h5", "checksum of m", "older"},
                     [&] { restore_checkpoint(path, read.buffers); });
}

// A manifest is read as carefully as the data: what it does not cover would be resumed unchecked.
TEST(Checkpoint, AManifestThatIsNestedTooDeepIsDamaged) {
  const SharedFolder folder;
  on_rank_0([&] { write_file_atomic(folder / "manifest.json", std::string(300000, '[')); });
  EXPECT_NE(inspect_checkpoint(folder / "").problem.find("nested deeper than"), std::string::npos);
  const CheckpointContent read = empty_content();
  test::expect_error(ErrorKind::storage, {"manifest.json", "nested deeper than"},
                     [&] { restore_checkpoint(folder / "", read.buffers); });
}

TEST(Checkpoint, AManifestThatDoesNotFitIsRefused) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007", manifest_file = path / "manifest.json";
  save_checkpoint(test_world(), path, make_content(1));
  const Json good = read_json_file(manifest_file);
  const auto fails = [&](const std::string& word, const std::function<void(Json&)>& change) {
    test_world().barrier();
    on_rank_0([&] {
      Json manifest = good;
      manifest.erase("xxh64");  // as an older version wrote it
      change(manifest);
      write_json_file(manifest_file, manifest);
    });
    const CheckpointContent read = empty_content();
    test::expect_error(ErrorKind::storage, {"step_000000007", word}, [&] { restore_checkpoint(path, read.buffers); });
  };
  fails("schema version", [](Json& manifest) { manifest["schema_version"] = 99; });
  const auto slices = [](Json& manifest, const char* buffer) -> Json& { return manifest["buffers"][buffer]["slices"]; };
  fails("do not cover master", [&](Json& manifest) { slices(manifest, "master").erase(0); });
  fails("do not cover master", [&](Json& manifest) {
    Json& all = slices(manifest, "master");
    all.erase(all.size() - 1);
  });
  fails("do not cover master", [&](Json& manifest) { slices(manifest, "master").back()["count"] = 1 << 20; });
  fails("do not cover master", [&](Json& manifest) { slices(manifest, "master")[0]["begin"] = -4; });
  fails("do not cover rows:", [](Json& manifest) { manifest["buffers"].erase("rows"); });
  fails("do not cover rows:", [](Json& manifest) { manifest["buffers"]["rows"]["numel"] = 18; });
  fails("manifest.json", [](Json& manifest) { manifest.erase("buffers"); });
  fails("manifest.json", [&](Json& manifest) { slices(manifest, "m")[0]["begin"] = "zero"; });
  fails("manifest.json", [&](Json& manifest) { slices(manifest, "m")[0].erase("xxh64"); });
  fails("manifest.json", [](Json& manifest) { manifest.erase("about"); });
  fails("manifest.json", [](Json& manifest) { manifest["about"] = 3; });
  fails("step = \"seven\"", [](Json& manifest) { manifest["about"]["step"] = "seven"; });
  fails("applied = -1", [](Json& manifest) { manifest["about"]["applied"] = -1; });
  fails("do not add up", [](Json& manifest) { manifest["about"]["applied"] = 2; });
  fails("optimizer is no text", [](Json& manifest) { manifest["about"]["optimizer"] = 3; });
  fails("its checksum does not match", [&](Json& manifest) {
    manifest = good;
    manifest["about"]["samples_seen"] = 71;
  });
}

// The state changes while a checkpoint of it is written.
TEST(CheckpointWriter, WritesWhatWasThereWhenItBegan) {
  const SharedFolder folder;
  World& world = test_world();
  CheckpointContent live = make_content(0.5);
  const CheckpointContent wanted = make_content(0.5);
  CheckpointWriter writer(world);
  EXPECT_FALSE(writer.waits_for_parts());
  for (const std::int64_t step : {1, 2, 3}) {  // the memory of the copy is used again
    for (std::size_t i = 0; i < live.buffers.size(); ++i) live.buffers[i].tensor.copy_(wanted.buffers[i].tensor * step);
    writer.begin(folder / fmt::format("step_{}", step), live);
    EXPECT_TRUE(writer.waits_for_parts());
    for (const NamedBuffer& buffer : live.buffers) buffer.tensor.fill_(-1);
    live.counts[0].second.fill_(99);
    if (step == 2) {  // as the loop does, step by step
      std::array<std::int64_t, 1> writing{1};
      while (writing[0] != 0) {
        writing = {writer.is_writing() ? 1 : 0};
        world.all_reduce_max(writing);
      }
      writer.advance();
      EXPECT_FALSE(writer.waits_for_parts());
    }
    live.counts[0].second.fill_(6);
  }
  writer.finish();
  for (const std::int64_t step : {1, 2, 3}) {
    const CheckpointContent read = empty_content();
    const Json about = restore_checkpoint(folder / fmt::format("step_{}", step), read.buffers);
    EXPECT_EQ(about.at("applied"), 6);
    for (std::size_t i = 0; i < wanted.buffers.size(); ++i) {
      EXPECT_TRUE(at::equal(read.buffers[i].tensor, wanted.buffers[i].tensor * step)) << step;
    }
  }
}

TEST(CheckpointWriter, StorageThatDoesNotAnswerIsTold) {
  const SharedFolder folder;
  std::atomic<int> told{0};
  CheckpointWriter writer(test_world(), {.timeout_s = 0.05,
                                         .on_hang = [&](const std::string&) { ++told; },
                                         .on_complete = [](double) { usleep(300000); }});
  writer.begin(folder / "step_1", make_content(1));
  writer.finish();
  EXPECT_EQ(told > 0, test_world().rank() == 0);
}

TEST(Checkpoint, AStateFileThatIsNoneIsRefused) {
  const SharedFolder folder;
  const auto path = folder / "step_000000007";
  save_checkpoint(test_world(), path, make_content(1));
  on_rank_0([&] {
    const auto size = std::filesystem::file_size(path / "state.h5");
    write_file_atomic(path / "state.h5", std::string(size, 'x'));
  });
  const CheckpointContent read = empty_content();
  test::expect_error(ErrorKind::storage, {"state.h5"}, [&] { restore_checkpoint(path, read.buffers); });
}

TEST(Checkpoint, AnotherModelIsRefused) {
  const SharedFolder folder;
  save_checkpoint(test_world(), folder / "step_000000007", make_content(1));
  const std::vector<NamedBuffer> other{{"master", at::zeros({kNumel + 1}, at::kFloat)}};
  test::expect_error(ErrorKind::storage, {"another model", "master"},
                     [&] { restore_checkpoint(folder / "step_000000007", other); });
}

TEST(Checkpoint, AFailureOfOneRankIsAFailureOfAll) {
  const SharedFolder folder;
  on_rank_0([&] { std::ofstream(folder / "file") << "not a folder"; });
  test::expect_error(ErrorKind::storage, {"checkpoint not written"},
                     [&] { save_checkpoint(test_world(), folder / "file" / "step_000000001", make_content(1)); });
}

TEST(Checkpoint, OldOnesExpire) {
  const CheckpointOptions two{.keep = 2};
  EXPECT_EQ(expired_checkpoints({30, 10, 20, 40}, two), (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(expired_checkpoints({10}, two), (std::vector<std::int64_t>{}));
  CheckpointOptions forks = two;
  forks.at_steps = "10, 30";
  EXPECT_EQ(expired_checkpoints({10, 20, 30, 40, 50}, forks), (std::vector<std::int64_t>{20}));
  EXPECT_EQ(step_list(""), std::vector<std::int64_t>{});
  for (const char* wrong : {"x", "5,", "0", "-3", "1e3"}) EXPECT_THROW(step_list(wrong), Error) << wrong;
  CheckpointOptions milestones{.keep = 1};
  milestones.keep_every = 20;
  EXPECT_EQ(expired_checkpoints({10, 20, 30, 40, 50}, milestones), (std::vector<std::int64_t>{10, 30}));
}

}  // namespace
}  // namespace clip_hpc
