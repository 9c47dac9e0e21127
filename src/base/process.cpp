#include "clip_hpc/base/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

extern char** environ;  // NOLINT: POSIX wants it declared so

namespace clip_hpc {
namespace {

// What a program writes goes into files without names: unlike pipes they never fill up.
FileDescriptor nameless_file() {
  std::string name = (std::filesystem::temp_directory_path() / "clip_hpc_output_XXXXXX").native();
  const int fd = ::mkstemp(name.data());
  if (fd < 0)
    throw internal_error("cannot make a temporary file in {}", std::filesystem::temp_directory_path().native());
  ::unlink(name.c_str());
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return FileDescriptor(fd);
}

std::string content_of(const FileDescriptor& file) {
  std::string text(file.size_bytes(), '\0');
  pread_all(file.get(), std::as_writable_bytes(std::span(text)), 0, "a program's output");
  return text;
}

int exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

ProgramOutput run_program(const std::vector<std::string>& words) {
  const FileDescriptor out = nameless_file(), err = nameless_file();
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  pid_t child = 0;
  const int problem = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem == ENOENT || problem == EACCES || problem == ENOEXEC) return {};
  if (problem != 0) throw internal_error("cannot start {}: {}", words[0], std::generic_category().message(problem));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return {.has_started = true, .exit_code = exit_code_of(status), .out = content_of(out), .err = content_of(err)};
}

std::string shell_output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  if (!pipe) return text;
  std::array<char, 4096> piece{};
  while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), pipe.get())) {
    text.append(piece.data(), count);
  }
  return text;
}

std::filesystem::path program_folder() {
  std::error_code none;
  return std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
}

}  // namespace clip_hpc
