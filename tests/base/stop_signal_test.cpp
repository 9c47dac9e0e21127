#include "clip_hpc/base/stop_signal.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace clip_hpc {
namespace {

TEST(Shutdown, EachOfTheSignalsIsARequestUntilItIsCleared) {
  install_shutdown_signals();
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) {
    EXPECT_FALSE(shutdown_requested());
    EXPECT_EQ(std::raise(signal), 0);
    EXPECT_TRUE(shutdown_requested()) << signal;
    if (signal != SIGINT) {
      EXPECT_EQ(std::raise(signal), 0);  // asked again, as an impatient scheduler does
      EXPECT_TRUE(shutdown_requested()) << signal;
    }
    clear_shutdown_request();
  }
  install_shutdown_signals();
  EXPECT_FALSE(shutdown_requested());
}

TEST(ShutdownDeathTest, ASecondCtrlCEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        install_shutdown_signals();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Shutdown, ARequestOutlivesAnotherInstall) {
  install_shutdown_signals();
  std::raise(SIGUSR1);
  install_shutdown_signals();
  EXPECT_TRUE(shutdown_requested());
  clear_shutdown_request();
}

}  // namespace
}  // namespace clip_hpc
