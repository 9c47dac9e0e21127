#include "clip_hpc/train/roll_call.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

const std::vector<std::string> kHosts{"n1", "n1", "n2", "n2"};

TEST(RollCall, NamesWhoLeftNoWord) {
  const std::map<int, Whereabouts> words{
      {0, {true, 147, "all_gather"}}, {2, {true, 147, "all_gather"}}, {3, {true, 146, "reduce_scatter"}}};
  EXPECT_EQ(told_by(words, 4, kHosts),
            "rank 1 on n1 left no word: suspended, dead, or without the run folder\n"
            "  1 rank waits in reduce_scatter (operation 146): rank 3 on n2\n"
            "  2 ranks wait in all_gather (operation 147): rank 0 on n1, rank 2 on n2");
  EXPECT_EQ(told_by({{0, {true, 2, "barrier"}}}, 3, {}),
            "rank 1, rank 2 left no word: suspended, dead, or without the run folder\n"
            "  1 rank waits in barrier (operation 2): rank 0");
}

TEST(RollCall, NamesWhoIsBusyAndTheNetworkWhereAllAreThere) {
  EXPECT_EQ(told_by({{0, {true, 5, "barrier"}}, {1, {false, 4, "all_reduce"}}}, 2, {}),
            "rank 1 waits for nobody: its last was all_reduce (operation 4)\n"
            "  1 rank waits in barrier (operation 5): rank 0");
  EXPECT_EQ(told_by({{0, {true, 5, "barrier"}}, {1, {true, 5, "barrier"}}}, 2, {}),
            "2 ranks wait in barrier (operation 5): rank 0, rank 1\n"
            "  all of them are there: the network between them fails");
}

TEST(RollCall, OfManyRanksAFewAreNamed) {
  std::map<int, Whereabouts> words;
  for (int rank = 0; rank < 1000; ++rank) words[rank] = {true, rank, "all_reduce"};
  const std::string text = told_by(words, 1024, {});
  EXPECT_TRUE(
      text.starts_with("rank 1000, rank 1001, rank 1002, rank 1003, rank 1004, rank 1005, rank 1006, rank 1007 and 16 "
                       "more left no word"))
      << text;
  EXPECT_LT(text.size(), 1500U);
}

// Three of four ranks: the first of them tells, once, and the two others leave it to that one.
TEST(RollCall, TheFirstThatAnsweredTellsForAll) {
  const Scratch scratch;
  const RunFolder folder{scratch / "run"};
  folder.create();
  std::array<std::optional<std::string>, 3> told;
  {
    std::vector<std::jthread> ranks;
    for (int rank = 1; rank < 4; ++rank) {
      ranks.emplace_back([&, rank] {
        told[static_cast<std::size_t>(rank - 1)] = call_the_roll({folder, rank, 4, 0.5}, {true, 9, "barrier"});
      });
    }
  }
  ASSERT_TRUE(told[0]);
  EXPECT_TRUE(told[0]->starts_with("rank 0 left no word")) << *told[0];
  EXPECT_NE(told[0]->find("3 ranks wait in barrier (operation 9)"), std::string::npos) << *told[0];
  EXPECT_FALSE(told[1]);
  EXPECT_FALSE(told[2]);
  clear_roll_call(folder);
  EXPECT_FALSE(std::filesystem::exists(folder.roll_call_dir()));
}

TEST(RollCall, AFolderThatIsGoneIsNoFurtherFailure) {
  const auto told = call_the_roll({RunFolder{"/proc/nowhere"}, 1, 2, 0.05}, {true, 9, "barrier"});
  ASSERT_TRUE(told);
  EXPECT_NE(told->find("rank 0 left no word"), std::string::npos) << *told;
}

}  // namespace
}  // namespace clip_hpc
