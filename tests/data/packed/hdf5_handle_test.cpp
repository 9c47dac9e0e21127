#include "clip_hpc/data/packed/hdf5_handle.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "clip_hpc/base/file.hpp"
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

// What a file says about itself never becomes memory that nobody asked for.
TEST(Hdf5Handle, RefusesWhatWouldNotFit) {
  const test::TempFolder folder;
  const std::filesystem::path path = folder / "a.h5";
  {
    const Hid file = create_hdf5(path);
    const std::array<hsize_t, 1> many{1000};
    const Hid space(H5Screate_simple(1, many.data(), nullptr), H5Sclose);
    const Hid number(H5Acreate2(file.get(), "number", H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    const std::vector<std::uint64_t> values(1000, 7);
    ASSERT_GE(H5Awrite(number.get(), H5T_NATIVE_UINT64, values.data()), 0);
    write_dataset(file, "rows", H5T_STD_U64LE, 1000, 0, values.data(), path);
  }
  {
    const Hid file = open_hdf5(path);
    EXPECT_EQ(region_of(file, "rows", sizeof(std::uint64_t), path).size_bytes, 8000U);
    test::expect_error(ErrorKind::storage, {"attribute number is not one value"},
                       [&] { read_attribute_u64(file, "number", path); });
    test::expect_error(ErrorKind::storage, {"number"}, [&] { read_attribute_text(file, "number", path); });
  }
  // The same file, where its dataset claims to have far more rows than there are bytes.
  std::string bytes = read_text_file(path);
  const std::uint64_t rows = 1000, claimed = std::uint64_t{1} << 40;
  const std::string_view row_bytes(reinterpret_cast<const char*>(&rows), sizeof(rows));
  for (auto at = bytes.find(row_bytes); at != std::string::npos; at = bytes.find(row_bytes, at + 1)) {
    std::memcpy(bytes.data() + at, &claimed, sizeof(claimed));
  }
  write_file_atomic(path, bytes);
  test::expect_error(ErrorKind::storage, {"rows", "beyond the end of the file"},
                     [&] { region_of(open_hdf5(path), "rows", sizeof(std::uint64_t), path); });
}

}  // namespace
}  // namespace clip_hpc
