// What the fuzz programs hand damaged bytes to: a row for every reader of files from outside.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc::fuzz {

struct Reader {
  const char* name;
  // Whole files, by the project's own writers; `scratch` is an empty folder. Files of other writers lie in corpus/NAME.
  std::vector<std::string> (*seeds)(const std::filesystem::path& scratch);
  // Reads `bytes` as a user's command would, all of it. Throws Error for what is refused; anything else is a finding.
  void (*read)(std::string_view bytes, const std::filesystem::path& scratch);
};

std::span<const Reader> text_readers();
std::span<const Reader> data_readers();
std::span<const Reader> model_readers();
std::vector<Reader> all_readers();

std::filesystem::path write(const std::filesystem::path& path, std::string_view bytes);  // plainly; returns the path
std::string read_back(const std::filesystem::path& path);

}  // namespace clip_hpc::fuzz
