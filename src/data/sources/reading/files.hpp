// The files that --input names.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

struct InputFile {
  std::filesystem::path path;
  std::string name;  // below its --input, and where two inputs hold the same name, with a number behind it
};

// The inputs, and of folders among them the files with one of these endings (".tar"), in order of their names. A file
// that is named twice counts once. Throws input when an input does not exist or is no file (a FIFO, a device), or when
// there is no file.
std::vector<InputFile> find_files(std::span<const std::filesystem::path> inputs,
                                  std::span<const std::string_view> endings);

// Path, size and time of change: what tells a file that was replaced.
std::string state_of(const InputFile& file);

}  // namespace clip_hpc
