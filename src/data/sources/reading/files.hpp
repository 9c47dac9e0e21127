// The files that --input names.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

// The inputs, and of folders among them the files with this extension (".tar"), in order of their names. Throws input
// when an input does not exist, or when there is no file.
std::vector<std::filesystem::path> find_files(std::span<const std::filesystem::path> inputs,
                                              const std::string& extension);

}  // namespace clip_hpc
