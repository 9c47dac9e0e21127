#include "clip_hpc/base/file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"

namespace clip_hpc {
namespace {

class File : public testing::Test {
 protected:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / fmt::format("clip_hpc_file_{}", getpid());
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
};

TEST_F(File, AtomicWriteReplacesAndLeavesNothingBeside) {
  write_file_atomic(folder_ / "a.txt", "one");
  write_file_atomic(folder_ / "a.txt", "two");
  EXPECT_EQ(read_text_file(folder_ / "a.txt"), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(File, ReadPastTheEndNamesTheFile) {
  write_file_atomic(folder_ / "short", "abc");
  const auto file = FileDescriptor::open_read(folder_ / "short");
  std::vector<std::byte> buffer(10);
  try {
    pread_all(file.get(), buffer, 0, "short");
    FAIL() << "a truncated file was read";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::storage);
    EXPECT_NE(std::string(problem.what()).find("short ends early, at byte 3"), std::string::npos);
  }
}

TEST_F(File, ChecksumOfFileEqualsChecksumOfBytes) {
  const std::string text(3 << 20, 'x');  // three buffers of the reader
  write_file_atomic(folder_ / "big", text);
  EXPECT_EQ(xxh64_of_file(folder_ / "big"), xxh64(std::as_bytes(std::span(text))));
}

TEST_F(File, BrokenJsonNamesTheFile) {
  write_file_atomic(folder_ / "x.json", "{\"a\": ");
  EXPECT_THROW(read_json_file(folder_ / "x.json"), Error);
}

}  // namespace
}  // namespace clip_hpc
