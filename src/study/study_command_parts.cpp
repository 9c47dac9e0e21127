#include "study/study_command_parts.hpp"

#include <sys/file.h>

#include <cstdlib>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/arguments.hpp"

namespace clip_hpc {

bool read_words(const std::vector<std::string>& arguments, boost::program_options::options_description options,
                const char* help) {
  if (parse_words(arguments, options)) return true;
  fmt::print("{}", help_text(help, options));
  return false;
}

std::filesystem::path find_project() {
  std::vector<std::filesystem::path> places;
  if (const char* named = std::getenv("CLIP_HPC_ROOT")) places.emplace_back(named);
  places.push_back(std::filesystem::current_path());
  std::error_code none;
  places.push_back(std::filesystem::read_symlink("/proc/self/exe", none).parent_path() / "../share/clip_hpc");
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::exists(place / "jobs/study_cell.sh")) return std::filesystem::weakly_canonical(place);
  }
  throw input_error("jobs/study_cell.sh was not found: start in the project folder, or set CLIP_HPC_ROOT to it");
}

void check_for_shell(const std::string& folder) {
  if (folder.find_first_of("',\"\n\\$`") != std::string::npos) {
    throw input_error("a folder of jobs goes through sbatch and a shell: its name has no quote, comma, $ or \\, got {}",
                      folder);
  }
}

SubmitLock::SubmitLock(const StudyFolder& study) {
  const std::filesystem::path file = study.path / ".submit";
  append_line(file, "");
  fd_ = FileDescriptor::open_write(file);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw input_error("another clip_study submit of {} is at work: wait for it", study.path.native());
  }
}

}  // namespace clip_hpc
