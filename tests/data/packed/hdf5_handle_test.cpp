#include "clip_hpc/data/packed/hdf5_handle.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "tests/data/data_fixtures.hpp"

namespace {
int lock_failure = 0;  // what flock ends with; 0: it succeeds
}

// Takes the place of the C library's: HDF5 locks its files by it.
extern "C" int flock(int, int) {  // NOLINT
  if (lock_failure == 0) return 0;
  errno = lock_failure;
  return -1;
}

namespace clip_hpc {
namespace {

TEST(Hdf5Handle, WorksWhereTheFileSystemHasNoLocks) {
  const test::TempFolder folder;
  for (const int failure : {ENOLCK, EOPNOTSUPP, ENOSYS, 524}) {
    lock_failure = failure;
    const auto set = test::make_set(folder / fmt::format("set_{}", failure), 5);
    EXPECT_EQ(PackedSet(set->folder()).read(3).captions, "caption 3") << failure;
  }
  lock_failure = EWOULDBLOCK;  // these locks work, and another process has one
  test::expect_error(ErrorKind::storage, {"another process"}, [&] { test::make_set(folder / "held", 5); });
  EXPECT_EQ(PackedSet(folder / fmt::format("set_{}", ENOLCK)).read(3).captions, "caption 3");
  lock_failure = 0;
}

// As on a full disk: the file may not grow. The process then ends with our code, not in HDF5's last efforts.
TEST(Hdf5HandleDeathTest, AFullDiskEndsWithAMessage) {
  const test::TempFolder folder;
  const auto fill = [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{64 << 10, 64 << 10};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      test::make_set(folder / "set", 4000, 4000, "raw", [](std::uint64_t i) { return test::grey_sample(i, 32); });
    } catch (const Error& problem) {
      std::fprintf(stderr, "%s\n", problem.what());
      std::exit(exit_code(problem.kind()));
    }
    std::exit(0);
  };
  EXPECT_EXIT(fill(), ::testing::ExitedWithCode(kExitStorage), "is the disk full");
}

}  // namespace
}  // namespace clip_hpc
