// What a piece of a test logs: assertions about lines that a user is to see.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc::test {

// Empty on ranks other than 0, whose log is the run's.
template <class Act>
std::string logged(int rank, const Act& act) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("clip_hpc_log_{}_{}", ::getpid(), rank);
  start_log({rank, file});
  act();
  start_log({rank, {}});
  std::string text = rank == 0 ? read_text_file(file) : "";
  std::filesystem::remove(file);
  return text;
}

}  // namespace clip_hpc::test
