#include "clip_hpc/base/lease.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

class LeaseOfAFolder : public testing::Test {
 protected:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / fmt::format("clip_hpc_lease_{}", getpid());
  std::filesystem::path file_ = folder_ / "trainer.lease";
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The lease of a process that is no more, or is elsewhere.
  void write_other(const Json& changes, double silent_s = 0) const {
    {
      const Lease mine(file_, {});
      Json json = read_json_file(file_);
      json.update(changes);
      json["token"] = "0123456789abcdef";
      write_json_file(folder_ / "other", json);
    }
    std::filesystem::rename(folder_ / "other", file_);
    const auto then =
        std::filesystem::last_write_time(file_) - std::chrono::milliseconds(std::llround(1000 * silent_s));
    std::filesystem::last_write_time(file_, then);
  }
};

TEST_F(LeaseOfAFolder, IsHeldByOneAndLeavesNothing) {
  {
    const Lease mine(file_, {});
    EXPECT_TRUE(mine.is_mine());
    EXPECT_EQ(read_lease(file_).pid, ::getpid());
    test::expect_error(ErrorKind::input,
                       {folder_.native(), "is held by process", std::to_string(::getpid()), "renewed"},
                       [&] { Lease(file_, {}); });
    EXPECT_TRUE(mine.is_mine());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(read_lease(file_).pid, 0);
  const Lease again(file_, {});
  EXPECT_EQ(again.taken_from(), "");
}

TEST_F(LeaseOfAFolder, OfADeadProcessOfThisMachineIsTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    new Lease(file_, {.lasts_s = 600, .on_loss = {}});  // NOLINT: the process ends without a word
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(read_lease(file_).pid, child);
  const Lease mine(file_, {});
  EXPECT_TRUE(mine.is_mine());
  EXPECT_NE(mine.taken_from().find(std::to_string(child)), std::string::npos) << mine.taken_from();
}

TEST_F(LeaseOfAFolder, APidThatCameBackIsAnotherProcess) {
  write_other({{"started", "1"}});  // our own pid, of another time
  EXPECT_TRUE(is_dead(read_lease(file_)));
  EXPECT_TRUE(Lease(file_, {}).is_mine());
}

TEST_F(LeaseOfAFolder, OfASilentMachineIsTakenOverWhenItsTimeIsOver) {
  write_other({{"host", "far"}, {"space", "another"}, {"lasts_s", 1.0}}, 0.2);
  EXPECT_FALSE(is_dead(read_lease(file_)));
  const Lease mine(file_, {});  // waits
  EXPECT_TRUE(mine.is_mine());
  EXPECT_NE(mine.taken_from().find(" on far"), std::string::npos);
}

TEST_F(LeaseOfAFolder, OfAMachineThatRenewsItIsRefused) {
  write_other({{"host", "far"}, {"space", "another"}, {"lasts_s", 60.0}}, 20);
  std::thread far([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::utimensat(AT_FDCWD, file_.c_str(), nullptr, 0);
  });
  test::expect_error(ErrorKind::input, {"is held by process", "on far"}, [&] { Lease(file_, {}); });
  far.join();
}

TEST_F(LeaseOfAFolder, AFileThatIsNoLeaseIsTakenOverWhenItIsOld) {
  write_file_atomic(file_, "{\"host\": 3");
  std::filesystem::last_write_time(file_, std::filesystem::last_write_time(file_) - std::chrono::minutes(2));
  EXPECT_TRUE(Lease(file_, {}).is_mine());
}

TEST_F(LeaseOfAFolder, OneOfManyGetsWhatADeadProcessLeft) {
  for (int round = 0; round < 10; ++round) {
    write_other({{"started", "1"}});
    std::atomic<int> got{0}, refused{0}, failed{0};
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        int code = 2;
        try {
          const Lease mine(file_, {});
          std::this_thread::sleep_for(std::chrono::milliseconds(400));
          code = mine.is_mine() ? 0 : 3;
        } catch (const Error& problem) {
          code = problem.kind() == ErrorKind::input ? 1 : 2;
        }
        ::_exit(code);  // a child that refused leaves what it holds
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
      (code == 0 ? got : code == 1 ? refused : failed) += 1;
    }
    EXPECT_EQ(got, 1);
    EXPECT_EQ(refused, 7);
    EXPECT_EQ(failed, 0);
    std::filesystem::remove(file_);
  }
}

TEST_F(LeaseOfAFolder, WhoWasSilentForTooLongIsTold) {
  std::atomic<bool> told{false};
  const Lease mine(file_, {.lasts_s = 0.3, .on_loss = [&](const std::string&) { told = true; }});
  Json json = read_json_file(file_);
  json["token"] = "0123456789abcdef";
  write_json_file(file_, json);
  for (int i = 0; i < 100 && !told; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(told);
  EXPECT_FALSE(mine.is_mine());
}

TEST_F(LeaseOfAFolder, IsRenewedWhileItsHolderLives) {
  const Lease mine(file_, {.lasts_s = 0.6, .on_loss = {}});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_TRUE(mine.is_mine());
  EXPECT_LT(read_lease(file_).age_s, 0.5);
}

}  // namespace
}  // namespace clip_hpc
