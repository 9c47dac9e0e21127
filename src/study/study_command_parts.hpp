// What the commands of clip_study have in common.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/study/folder.hpp"

namespace clip_hpc {

// Reads the words after a command. False: --help was asked for, and printed.
bool read_words(const std::vector<std::string>& arguments, boost::program_options::options_description options,
                const char* help);

// The folder that holds jobs/ and configs/: of the variable, here, or of the installed tree. Throws input.
std::filesystem::path find_project();

// A folder's name goes through sbatch --export and a shell. Throws input for one that would not come out of them whole.
void check_for_shell(const std::string& folder);

// One submit at a time: two would both find the same cells missing. Throws input when there is another.
class SubmitLock {
 public:
  explicit SubmitLock(const StudyFolder& study);

 private:
  FileDescriptor fd_;
};

}  // namespace clip_hpc
