#include "clip_hpc/data/packed/packed_home.hpp"

#include <gtest/gtest.h>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

// Works in a folder of its own, as a project folder.
class PackedHome : public ::testing::Test {
 protected:
  PackedHome() : before_(fs::current_path()) { fs::current_path(folder_ / ""); }
  ~PackedHome() override { fs::current_path(before_); }

 private:
  fs::path before_;
  test::TempFolder folder_;
};

TEST_F(PackedHome, AnOlderFolderIsFound) {
  test::make_set("packed/letters", 3);
  EXPECT_EQ(packed_path("data/packed/letters"), "packed/letters");
  EXPECT_EQ(packed_path("./data/packed/letters/"), "packed/letters");
  EXPECT_EQ(packed_path("data/packed/letters/dataset.json"), "packed/letters/dataset.json");
  EXPECT_EQ(packed_path("data/packed"), "packed");
  EXPECT_EQ(PackedSet("data/packed/letters").folder(), "packed/letters");
  test::make_set("data/packed/letters", 3);
  EXPECT_EQ(packed_path("data/packed/letters"), "data/packed/letters");
}

TEST_F(PackedHome, OtherPathsStayAsTheyAre) {
  test::make_set("packed/letters", 3);
  for (const char* path : {"packed/letters", "data/packed/none", "data/other", "/data/packed/letters", "letters", ""}) {
    EXPECT_EQ(packed_path(path), path);
  }
}

TEST_F(PackedHome, AnOlderNameGetsAHint) {
  test::make_set("data/packed/letters", 3);
  test::expect_error(ErrorKind::storage, {"packed/letters is no packed set", "; data/packed/letters exists"},
                     [] { PackedSet("packed/letters"); });
  EXPECT_EQ(packed_hint("packed/none"), "");
}

}  // namespace
}  // namespace clip_hpc
