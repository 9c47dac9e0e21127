#include "clip_hpc/run/provenance.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

TEST(Provenance, EveryStartIsKept) {
  const Scratch scratch;
  const auto file = scratch / "provenance.json";
  Provenance start;
  start.program_version = "0.1.0";
  start.git_commit = "abc";
  start.versions = {{"LibTorch", "2.11.0"}, {"MPI", "4.1"}};
  start.hosts = {"node1", "node2"};
  start.world_size = 8;
  start.start_time = utc_now();
  start.command_line = {"clip_hpc", "--config", "a b.cfg", "\xff"};
  start.config_hash = hash_of_config("[run]\nname = a\n");
  append_provenance(file, start);
  start.world_size = 4;
  append_provenance(file, start);
  const auto all = read_provenance(file);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].program_version, "0.1.0");
  EXPECT_EQ(all[0].git_commit, "abc");
  EXPECT_EQ(all[0].versions, start.versions);
  EXPECT_EQ(all[0].hosts, start.hosts);
  EXPECT_EQ(all[0].world_size, 8);
  EXPECT_EQ(all[1].world_size, 4);
  EXPECT_EQ(all[0].start_time, start.start_time);
  EXPECT_EQ(all[0].command_line[2], "a b.cfg");
  EXPECT_EQ(all[0].config_hash, start.config_hash);
  EXPECT_EQ(start.start_time.size(), 20U);
  EXPECT_FALSE(all[0].cost);
}

TEST(Provenance, CostIsKeptWhereARunKnowsIt) {
  const Scratch scratch;
  const auto file = scratch / "provenance.json";
  Provenance start;
  start.cost = RunCost{
      .image_macs = 17e9, .text_macs = 3e9 + 1, .parameters = 150000000, .patches = 196, .kept = 98, .context = 16};
  append_provenance(file, start);
  const auto all = read_provenance(file);
  ASSERT_TRUE(all.at(0).cost);
  EXPECT_EQ(all[0].cost->macs(), 20e9 + 1);
  EXPECT_EQ(all[0].cost->parameters, 150000000);
  EXPECT_EQ(all[0].cost->kept, 98);
  EXPECT_EQ(all[0].cost->context, 16);
}

TEST(Provenance, HashIsXxh64OfTheText) {
  EXPECT_EQ(hash_of_config(""), "ef46db3751d8e999");  // the published value of the empty input
  EXPECT_NE(hash_of_config("a"), hash_of_config("b"));
}

TEST(Provenance, NestedTooDeepItIsDamaged) {
  const Scratch scratch;
  write_file_atomic(scratch / "provenance.json", std::string(300000, '['));
  test::expect_error(ErrorKind::storage, {"provenance.json", "nested deeper than"},
                     [&] { read_provenance(scratch / "provenance.json"); });
}

TEST(Provenance, CorruptFilesAreNamed) {
  const Scratch scratch;
  const auto file = scratch / "provenance.json";
  for (const char* broken : {"", "nonsense", "{}", "[{}]", "[{\"program_version\":\"1\",\"world_size\":\"many\"}]"}) {
    write_file_atomic(file, broken);
    try {
      read_provenance(file);
      FAIL() << broken;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      EXPECT_NE(std::string(error.what()).find(file.native()), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace clip_hpc
