// The same readers behind libFuzzer, which goes by what code a file reaches: CLIP_HPC_FUZZ_READER names one.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "tests/campaign/fuzz/reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clip_hpc;
  static const auto scratch = [] {
    const auto folder = std::filesystem::temp_directory_path() / ("clip_hpc_fuzz_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    return folder;
  }();
  static const auto reader = [] {
    const char* const name = std::getenv("CLIP_HPC_FUZZ_READER");
    for (const fuzz::Reader& one : fuzz::all_readers()) {
      if (name != nullptr && std::string(name) == one.name) return one;
    }
    std::fputs("CLIP_HPC_FUZZ_READER names no reader\n", stderr);
    std::exit(2);
  }();
  try {
    reader.read({reinterpret_cast<const char*>(data), size}, scratch);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) std::abort();
  }
  return 0;
}
