// Other programs, started with no signal blocked (base/stop_signal blocks some in this one).
#pragma once

#include <sys/types.h>

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

// A program in a process group of its own, with this one's input and output, and NAME=value added to its environment.
// Throws storage where it cannot be started.
pid_t start_program(const std::vector<std::string>& words, const std::vector<std::string>& more_environment = {});
// Its exit code, or 128 + the signal that ended it. A request to stop is passed on as TERM, once.
int wait_for_program(pid_t child);
int exit_code_of(int status);  // what waitpid gave

// `sh -c` with this program's input and output. A request to stop is passed on, and does not end this program.
int run_shell(const std::string& command);
std::string shell_output(const std::string& command);  // what `sh -c` prints; its exit code is for the command to tell

// Whatever the umask was, no file of this process or its children can be written by all.
void keep_others_from_writing();

std::filesystem::path program_folder();  // where the running program lies

}  // namespace clip_hpc
