#include "clip_hpc/base/stop_signal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/process.hpp"

namespace clip_hpc {
namespace {

bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 500 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

void send(int signal) { ::kill(::getpid(), signal); }

// Each death test is a process of its own, begun anew: the watching thread is not the parent's.
class StopSignalDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(StopSignalDeathTest, WithoutAnOrderlyStopTheProgramEndsWhereItStands) {
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          watch_stop_signals();
          send(signal);
          std::this_thread::sleep_for(std::chrono::seconds(20));
          ::_exit(0);
        },
        testing::ExitedWithCode(kExitStoppedCleanly), "stopped by .*the same command continues");
  }
}

TEST_F(StopSignalDeathTest, ARequestIsNotedAndUsr1NeverInsists) {
  EXPECT_EXIT(
      {
        watch_stop_signals();
        const OrderlyStop stop;
        for (const int signal : {SIGUSR1, SIGTERM, SIGUSR1, SIGTERM}) {  // the scheduler's warning and its time limit
          send(signal);
          if (!comes_true(shutdown_requested)) ::_exit(1);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        clear_shutdown_request();
        if (shutdown_requested()) ::_exit(2);
        send(SIGUSR1);
        ::_exit(comes_true(shutdown_requested) ? 9 : 3);
      },
      testing::ExitedWithCode(9), "");
}

TEST_F(StopSignalDeathTest, WhoInsistsEndsTheProcess) {
  EXPECT_EXIT(
      {
        watch_stop_signals();
        const OrderlyStop stop;
        send(SIGINT);
        if (!comes_true(shutdown_requested)) ::_exit(1);
        send(SIGINT);
        std::this_thread::sleep_for(std::chrono::seconds(20));
        ::_exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(
      {
        watch_stop_signals();
        const OrderlyStop stop;
        send(SIGTERM);
        if (!comes_true(shutdown_requested)) ::_exit(1);
        std::this_thread::sleep_for(std::chrono::milliseconds(1200));
        send(SIGTERM);
        std::this_thread::sleep_for(std::chrono::seconds(20));
        ::_exit(0);
      },
      testing::KilledBySignal(SIGTERM), "");
}

// Blocked signals are inherited, and a program that never hears TERM cannot be stopped.
TEST_F(StopSignalDeathTest, ProgramsThatAreStartedHearTheirSignals) {
  EXPECT_EXIT(
      {
        std::signal(SIGINT, SIG_DFL);  // a job of a script has it ignored
        watch_stop_signals();
        ::_exit(run_shell("kill -TERM $$; exit 3") == 128 + SIGTERM &&
                        run_program({"/bin/sh", "-c", "kill -INT $$; exit 3"}).exit_code == 128 + SIGINT
                    ? 9
                    : 1);
      },
      testing::ExitedWithCode(9), "");
}

TEST_F(StopSignalDeathTest, ARequestIsPassedOnToTheShellThatRuns) {
  EXPECT_EXIT(
      {
        watch_stop_signals();
        std::thread later([] {
          std::this_thread::sleep_for(std::chrono::milliseconds(200));
          send(SIGTERM);
        });
        const int code = run_shell("trap 'exit 7' TERM; sleep 20 & wait");
        later.join();
        ::_exit(code == 7 && shutdown_requested() ? 9 : 1);
      },
      testing::ExitedWithCode(9), "");
}

TEST(StopRequest, IsThereUntilItIsCleared) {
  EXPECT_FALSE(shutdown_requested());
  request_shutdown();
  EXPECT_TRUE(shutdown_requested());
  clear_shutdown_request();
  EXPECT_FALSE(shutdown_requested());
}

}  // namespace
}  // namespace clip_hpc
