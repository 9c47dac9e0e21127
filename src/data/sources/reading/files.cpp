#include "data/sources/reading/files.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

namespace fs = std::filesystem;

std::vector<fs::path> find_files(std::span<const fs::path> inputs, const std::string& extension) {
  std::vector<fs::path> files;
  for (const fs::path& input : inputs) {
    if (fs::is_directory(input)) {
      for (const auto& entry : fs::directory_iterator(input)) {
        if (entry.path().extension() == extension) files.push_back(entry.path());
      }
    } else if (fs::exists(input)) {
      files.push_back(input);
    } else {
      throw input_error("--input {} does not exist", input.native());
    }
  }
  std::ranges::sort(files);
  if (files.empty()) {
    throw input_error("--input holds no {0} file: give {0} files, or folders of them", extension);
  }
  return files;
}

}  // namespace clip_hpc
