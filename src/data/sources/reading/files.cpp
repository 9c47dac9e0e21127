#include "data/sources/reading/files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

Error no_file(const fs::path& path) {
  return input_error("--input {} is no file (a FIFO, a device, or a link to nothing): name files, or folders of them",
                     path.native());
}

void take_folder(const fs::path& folder, std::span<const std::string_view> endings, std::vector<InputFile>& files) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().native();
    if (std::ranges::none_of(endings, [&](std::string_view ending) { return name.ends_with(ending); })) continue;
    if (!entry.is_regular_file()) throw no_file(entry.path());
    files.push_back({entry.path(), name});
  }
}

// The same file by two ways: packed twice it would give every sample a twin.
void drop_repeated(std::vector<InputFile>& files) {
  std::set<fs::path> seen;
  std::size_t dropped = 0;
  std::erase_if(files, [&](const InputFile& file) {
    const bool repeated = !seen.insert(fs::weakly_canonical(file.path)).second;
    dropped += repeated ? 1 : 0;
    return repeated;
  });
  if (dropped > 0) log_info("--input names {} files more than once: each is packed once", dropped);
}

}  // namespace

std::vector<InputFile> find_files(std::span<const fs::path> inputs, std::span<const std::string_view> endings) {
  std::vector<InputFile> files;
  for (const fs::path& input : inputs) {
    if (fs::is_directory(input)) {
      take_folder(input, endings, files);
    } else if (fs::exists(fs::symlink_status(input))) {
      if (!fs::is_regular_file(input)) throw no_file(input);
      files.push_back({input, input.filename().native()});
    } else {
      throw input_error("--input {} does not exist", input.native());
    }
  }
  std::ranges::sort(files, {}, &InputFile::path);
  if (files.empty()) {
    throw input_error("--input holds no {0} file: give {0} files, or folders of them", fmt::join(endings, ", "));
  }
  if (inputs.size() > 1) drop_repeated(files);
  std::map<std::string, int> times;
  for (InputFile& file : files) {
    const int before = times[file.name]++;
    if (before > 0) file.name += fmt::format("#{}", before + 1);
  }
  return files;
}

std::string state_of(const InputFile& file) {
  struct stat about {};
  if (::stat(file.path.c_str(), &about) != 0) throw storage_error("cannot read {}: check it", file.path.native());
  return fmt::format("{} {} {}.{:09}", file.path.native(), about.st_size, about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
}

}  // namespace clip_hpc
