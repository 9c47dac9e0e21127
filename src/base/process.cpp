#include "clip_hpc/base/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/stop_signal.hpp"

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

// Its own attributes: no signal is blocked, and perhaps a process group of its own.
class SpawnAttributes {
 public:
  explicit SpawnAttributes(bool own_group) {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    const int flags = POSIX_SPAWN_SETSIGMASK | (own_group ? POSIX_SPAWN_SETPGROUP : 0);
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));  // NOLINT(google-runtime-int): POSIX's type
  }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

int exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

pid_t start_program(const std::vector<std::string>& words, const std::vector<std::string>& more_environment) {
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  const std::vector<char*> more = pointers_to(more_environment);
  environment.insert(environment.end(), more.begin(), more.end());
  const std::vector<char*> arguments = pointers_to(words);
  pid_t child = 0;
  const int problem =
      ::posix_spawnp(&child, arguments[0], nullptr, SpawnAttributes(true).get(), arguments.data(), environment.data());
  if (problem != 0) throw storage_error("cannot start {}: {}", words[0], std::generic_category().message(problem));
  return child;
}

int wait_for_program(pid_t child) {
  int status = 0;
  for (bool has_asked = false;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return exit_code_of(status);
    if (ended < 0 && errno != EINTR) throw internal_error("waiting for process {} failed: error {}", child, errno);
    if (shutdown_requested() && !std::exchange(has_asked, true)) ::kill(-child, SIGTERM);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

int run_shell(const std::string& command) {
  const OrderlyStop passed_on;
  return wait_for_program(start_program({"/bin/sh", "-c", command}));
}

ProgramOutput run_program(const std::vector<std::string>& words) {
  const FileDescriptor out = nameless_file(), err = nameless_file();
  const std::vector<char*> arguments = pointers_to(words);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  pid_t child = 0;
  const int problem =
      ::posix_spawnp(&child, arguments[0], &actions, SpawnAttributes(false).get(), arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem == ENOENT || problem == EACCES || problem == ENOEXEC) return {};
  if (problem != 0) throw internal_error("cannot start {}: {}", words[0], std::generic_category().message(problem));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return {.has_started = true, .exit_code = exit_code_of(status), .out = content_of(out), .err = content_of(err)};
}

std::string shell_output(const std::string& command) { return run_program({"/bin/sh", "-c", command}).out; }

void keep_others_from_writing() { ::umask(::umask(0) | 0002); }

std::filesystem::path program_folder() {
  std::error_code none;
  return std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
}

}  // namespace clip_hpc
