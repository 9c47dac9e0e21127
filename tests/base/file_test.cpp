#include "clip_hpc/base/file.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "tests/expect_error.hpp"

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

// A file that may not grow further stands for a full disk: the first write is short, the next fails.
TEST_F(File, AnAppendedLineIsWholeOrAbsent) {
  const auto file = folder_ / "lines";
  append_line(file, "first");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{10, before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string problem;
  for (const char* line : {"second, too long", "third, too long"}) {
    try {
      append_line(file, line);
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_text_file(file), "first\n");
  EXPECT_NE(problem.find("cannot append to " + file.native()), std::string::npos) << problem;
  EXPECT_EQ(problem.find("No such file"), std::string::npos) << problem;
}

TEST_F(File, OnlyRegularFilesAreReadAsText) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const auto& path : {folder_ / "pipe", folder_}) {  // the pipe has no writer: it must not be waited for
    test::expect_error(ErrorKind::storage, {path.native(), "not a regular file"}, [&] { read_text_file(path); });
  }
}

TEST_F(File, TheMaskOfTheUserIsRespectedAndNothingIsForAll) {
  const mode_t before = ::umask(0);
  write_file_atomic(folder_ / "open", "x");
  append_line(folder_ / "lines", "x");
  ::umask(077);
  write_file_atomic(folder_ / "mine", "x");
  ::umask(before);
  const auto mode = [&](const char* name) {
    return static_cast<unsigned>(std::filesystem::status(folder_ / name).permissions());
  };
  EXPECT_EQ(mode("open"), 0664U);
  EXPECT_EQ(mode("lines"), 0664U);
  EXPECT_EQ(mode("mine"), 0600U);
}

TEST_F(File, WhatWasBegunIsRemovedWhenTheProgramIsAskedToStop) {
  const UnfinishedFile one(folder_ / "a");
  write_file_atomic(one.path(), "half");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  const pid_t child = ::fork();
  if (child == 0) {
    remove_unfinished_files();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

// Deeper than a parser's stack goes.
TEST_F(File, JsonThatIsNestedTooDeepIsDamaged) {
  for (const std::string& text :
       {std::string(300000, '['), "{\"a\": " + std::string(101, '[') + std::string(101, ']') + "}"}) {
    write_file_atomic(folder_ / "x.json", text);
    test::expect_error(ErrorKind::storage, {"x.json", "nested deeper than 100 levels"},
                       [&] { read_json_file(folder_ / "x.json"); });
    EXPECT_TRUE(parse_json_or_discarded(text).is_discarded());
  }
  const std::string fine = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(parse_json(fine).dump(), fine);
  EXPECT_EQ(parse_json(R"({"a": "[[[[\"[[", "b\\": [1]})").size(), 2U);  // brackets in texts are none
}

TEST_F(File, BrokenJsonNamesTheFile) {
  write_file_atomic(folder_ / "x.json", "{\"a\": ");
  EXPECT_THROW(read_json_file(folder_ / "x.json"), Error);
}

}  // namespace
}  // namespace clip_hpc
