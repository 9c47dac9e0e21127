// Other programs, started without a shell and waited for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct ProgramOutput {
  bool has_started = false;  // false: there is no such program
  int exit_code = 0;         // 128 + the signal that ended it
  std::string out, err;      // all that it wrote
};

// words[0] is a path, or a name that is looked up on PATH. Standard input is empty. Throws internal where the system
// has no processes or files left.
ProgramOutput run_program(const std::vector<std::string>& words);

std::string shell_output(const std::string& command);  // what `sh -c` prints; its exit code is for the command to tell

std::filesystem::path program_folder();  // where the running program lies

}  // namespace clip_hpc
