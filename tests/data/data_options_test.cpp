#include "clip_hpc/data/data_options.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(DataOptions, ParsesWeights) {
  EXPECT_EQ(parse_weighted_path("/a/b").weight, 1);
  EXPECT_EQ(parse_weighted_path("/a/b@3").weight, 3);
  EXPECT_EQ(parse_weighted_path("/a/b@3").path, "/a/b");
  EXPECT_EQ(parse_weighted_path("/a@home/b").path, "/a@home/b");
  for (const char* bad : {"", "@2", "/a@0", "/a@-1", "/a@1.5", "/a@99999999999999999999"}) {
    EXPECT_THROW(parse_weighted_path(bad), Error) << bad;
  }
}

TEST(DataOptions, TableReadsAndChecks) {
  DataOptions options;
  OptionTable table;
  describe(table, options);
  table.parse({}, {"data.train=/a@2", "data.train=/b", "data.workers=3"});
  EXPECT_EQ(options.train, (std::vector<std::string>{"/a@2", "/b"}));
  EXPECT_EQ(options.workers, 3);
  for (const char* bad : {"data.workers=0", "data.decode_size=-1", "data.loader_memory_mib=0", "data.train=/a@0"}) {
    DataOptions fresh;
    OptionTable other;
    describe(other, fresh);
    EXPECT_THROW(other.parse({}, {bad}), Error) << bad;
  }
}

TEST(WeightedPath, AFolderOfTheWholeNameIsThatFolder) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder / "laion");
  const std::string name = (folder / "laion@224").native();
  EXPECT_EQ(parse_weighted_path(name).weight, 224);
  std::filesystem::create_directories(folder / "laion@224");
  EXPECT_EQ(parse_weighted_path(name).weight, 1);
  EXPECT_EQ(parse_weighted_path(name).path, name);
  EXPECT_EQ(parse_weighted_path(name + "@2").weight, 2);
  EXPECT_EQ(parse_weighted_path(name + "@2").path, name);
}

}  // namespace
}  // namespace clip_hpc
