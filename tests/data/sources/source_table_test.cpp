#include <gtest/gtest.h>

#include <set>

#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/sources/source.hpp"
#include "clip_hpc/data/targets/target.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using Arguments = std::vector<std::string>;

OpenedSource open(const std::string& name, const Arguments& arguments) {
  for (const SourceKind& kind : source_kinds()) {
    if (kind.name != name) continue;
    ArgumentTable words;
    const OpenSource opens = kind.declare(words);
    EXPECT_TRUE(words.parse(arguments));
    return opens();
  }
  throw std::invalid_argument(name);
}

TEST(SourceTable, RowsAreComplete) {
  std::set<std::string> names;
  for (const SourceKind& kind : source_kinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_NE(std::string(kind.help), "");
    ArgumentTable words;
    EXPECT_TRUE(kind.declare(words));
    EXPECT_FALSE(words.names().empty()) << kind.name;
  }
  for (const TargetKind& kind : target_kinds()) {
    ArgumentTable words;
    EXPECT_TRUE(kind.declare(words)) << kind.name;
  }
}

TEST(SourceTable, ASourceReadsItsOwnOptions) {
  const OpenedSource opened =
      open("glyphs", {"--faces", "small", "--scripts", "greek", "--size", "16", "--samples-per-shard", "300"});
  ASSERT_EQ(opened.sets.size(), 4);
  EXPECT_TRUE(opened.built_in);
  EXPECT_EQ(opened.sets[0].folder, "train");
  EXPECT_FALSE(opened.sets[0].finish);
  EXPECT_TRUE(opened.sets[1].finish);
  std::vector<PackedSample> samples;
  opened.sets[0].source.read_part(
      1, {.add = [&](const std::string&, const PackedSample& sample) { samples.push_back(sample); },
          .skip = {},
          .warn = {}});
  ASSERT_EQ(samples.size(), 300);
  EXPECT_EQ(samples[0].width, 16);
}

TEST(SourceTable, WrongOptionsAreRefused) {
  test::expect_error(ErrorKind::input, {"--faces", "core, small, all"}, [] { open("glyphs", {"--faces", "few"}); });
  test::expect_error(ErrorKind::input, {"--size"}, [] { open("emoji", {"--size", "5000"}); });
  test::expect_error(ErrorKind::input, {"webdataset needs --input"}, [] { open("webdataset", {}); });
  test::expect_error(ErrorKind::input, {"one folder"}, [] { open("clip_benchmark", {"--input", "a", "b"}); });
}

}  // namespace
}  // namespace clip_hpc
