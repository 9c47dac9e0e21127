// The one exception type of the suite. Thrown anywhere, caught in main and at the top of each thread.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace clip_hpc {

// hang: communication that did not end in time, so that others may be asked who is missing; else as comm. lost_peer:
// communication failed, and the same command goes on from a checkpoint.
enum class ErrorKind { input, storage, comm, hang, lost_peer, device, internal };

// Exit codes that users and job scripts rely on (docs/errors.md).
inline constexpr int kExitDone = 0;
inline constexpr int kExitInput = 2;
inline constexpr int kExitStorage = 3;
inline constexpr int kExitComm = 4;
inline constexpr int kExitDevice = 5;
inline constexpr int kExitStoppedCleanly = 75;  // submit the same command again: it resumes

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

int exit_code(ErrorKind kind);
const char* name_of(ErrorKind kind);

// input_error("train.lr must be > 0, got {}", lr): the message says what to do next.
template <class... Args>
Error input_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::input, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error storage_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::storage, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error comm_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::comm, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error device_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::device, fmt::format(format, std::forward<Args>(args)...)};
}
// A broken promise between two parts of this program: never the user's fault.
template <class... Args>
Error internal_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::internal, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace clip_hpc
