#include "clip_hpc/train/watchdog.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

using namespace std::chrono_literals;

TEST(Watchdog, NamesTheOperationThatLastsTooLong) {
  const auto slot = std::make_shared<InFlight>();
  std::atomic<bool> fired{false};
  std::string text;
  const Watchdog watchdog(slot, 0.1, [&](const std::string& what) {
    text = what;
    fired = true;
  });
  const InFlightMark before(*slot, "broadcast");
  const InFlightMark mark(*slot, "all_gather");
  const Timer timer;
  while (!fired && timer.seconds() < 30) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE(fired);
  EXPECT_NE(text.find("all_gather (operation 2 "), std::string::npos) << text;
  EXPECT_NE(text.find("comm.timeout_s = 0.1"), std::string::npos) << text;
}

TEST(Watchdog, TellsThatItsOwnRankIsSilentBeforeTheOthersGiveUp) {
  const auto slot = std::make_shared<InFlight>();
  std::atomic<int> told{0};
  std::string text;
  { const InFlightMark mark(*slot, "all_reduce"); }
  const Watchdog watchdog(
      slot, 0.2, [](const std::string&) { FAIL() << "nothing is being communicated"; },
      [&](const std::string& what) {
        text = what;
        ++told;
      });
  std::this_thread::sleep_for(700ms);
  EXPECT_EQ(told, 1);  // once
  EXPECT_NE(text.find("its last was all_reduce (operation 1)"), std::string::npos) << text;
}

TEST(Watchdog, ALostPeerIsWorthAnotherTryOnlyWithACheckpointAndLeave) {
  const Scratch scratch;
  const RunFolder folder{scratch / "run"};
  folder.create();
  ::setenv("CLIP_HPC_REQUEUE", "1", 1);
  EXPECT_EQ(exit_code(lost_peer_kind(folder)), kExitComm);  // nothing to go on from
  std::filesystem::create_directories(folder.checkpoint_path(7));
  EXPECT_EQ(exit_code(lost_peer_kind(folder)), kExitStoppedCleanly);
  ::setenv("CLIP_HPC_REQUEUE", "0", 1);
  EXPECT_EQ(exit_code(lost_peer_kind(folder)), kExitComm);
  ::unsetenv("CLIP_HPC_REQUEUE");
  EXPECT_EQ(exit_code(lost_peer_kind(folder)), kExitComm);
}

TEST(Watchdog, KeepsQuietWhileOperationsComeAndGoAndWhileNoneRuns) {
  const auto slot = std::make_shared<InFlight>();
  std::atomic<bool> fired{false};
  {
    const Watchdog watchdog(slot, 0.5, [&](const std::string&) { fired = true; });
    for (int i = 0; i < 30; ++i) {  // each far shorter than the limit, all together longer
      const InFlightMark mark(*slot, "all_reduce");
      std::this_thread::sleep_for(20ms);
    }
    std::this_thread::sleep_for(700ms);  // computing, not communicating
  }
  EXPECT_FALSE(fired);
}

TEST(Watchdog, LeavesWithTheExitCodeOfCommunication) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto leave = [] {
    start_log({});  // as main does; what comes before it goes to standard output
    leave_hung_run("barrier has lasted too long", ErrorKind::comm);
  };
  EXPECT_EXIT(leave(), testing::ExitedWithCode(kExitComm), "barrier has lasted");
}

}  // namespace
}  // namespace clip_hpc
