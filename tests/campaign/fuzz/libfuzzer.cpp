// The same readers behind libFuzzer, which goes by what code a file reaches: CLIP_HPC_FUZZ_READER names one. With
// CLIP_HPC_FUZZ_SEEDS the reader's whole files are written to that folder first. tests/campaign/guided.sh runs it.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "tests/campaign/fuzz/reader.hpp"

namespace {

using namespace clip_hpc;

const std::filesystem::path& scratch() {
  static const auto folder = [] {
    const auto path = std::filesystem::temp_directory_path() / ("clip_hpc_fuzz_" + std::to_string(::getpid()));
    std::filesystem::create_directories(path);
    return path;
  }();
  return folder;
}

const fuzz::Reader& reader() {
  static const fuzz::Reader named = [] {
    const char* const name = std::getenv("CLIP_HPC_FUZZ_READER");
    for (const fuzz::Reader& one : fuzz::all_readers()) {
      if (name != nullptr && std::string(name) == one.name) return one;
    }
    std::fputs("CLIP_HPC_FUZZ_READER names no reader\n", stderr);
    std::exit(2);
  }();
  return named;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* const folder = std::getenv("CLIP_HPC_FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  int number = 0;
  for (const std::string& whole : reader().seeds(scratch())) {
    fuzz::write(std::filesystem::path(folder) / ("whole_" + std::to_string(number++)), whole);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    reader().read({reinterpret_cast<const char*>(data), size}, scratch());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) std::abort();
  }
  return 0;
}
