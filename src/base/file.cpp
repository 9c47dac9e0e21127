#include "clip_hpc/base/file.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kMaxTransferBytes = std::size_t{1} << 30;  // Linux moves at most 2 GiB a call

struct Unfinished {
  std::mutex mutex;
  std::set<std::string> paths;
};
Unfinished& unfinished() {
  static auto* const all = new Unfinished;  // NOLINT: never destroyed, since a signal may come while the program ends
  return *all;
}

constexpr mode_t kMode = 0664;  // and what the umask takes away

Error system_error(std::string_view doing, std::string_view path) {
  const int code = errno;
  if (code == EMFILE) {
    return storage_error(
        "cannot {} {}: {} (a packed set keeps one file open a shard): raise ulimit -n, or pack into "
        "fewer, larger shards",
        doing, path, std::strerror(code));
  }
  return storage_error("cannot {} {}: {}", doing, path, std::strerror(code));
}

}  // namespace

FileDescriptor FileDescriptor::open_read(const std::filesystem::path& path) {
  const int fd =
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without a writer is no wait for ever
  if (fd < 0) throw system_error("open", path.native());
  return FileDescriptor(fd);
}

FileDescriptor FileDescriptor::open_write(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) throw system_error("open for writing", path.native());
  return FileDescriptor(fd);
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

bool FileDescriptor::is_regular() const {
  struct stat info {};
  return ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
}

std::uint64_t FileDescriptor::size_bytes() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) throw system_error("stat", "an open file");
  return static_cast<std::uint64_t>(info.st_size);
}

void pread_all(int fd, std::span<std::byte> into, std::uint64_t offset, std::string_view name) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), std::min(into.size(), kMaxTransferBytes), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("read", name);
    if (got == 0) throw storage_error("{} ends early, at byte {}: the file is truncated, write it again", name, offset);
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

void pwrite_all(int fd, std::span<const std::byte> from, std::uint64_t offset, std::string_view name) {
  while (!from.empty()) {
    const ssize_t put = ::pwrite(fd, from.data(), std::min(from.size(), kMaxTransferBytes), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_error("write", name);
    from = from.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

std::string read_text_file(const std::filesystem::path& path) {
  const FileDescriptor file = FileDescriptor::open_read(path);
  if (!file.is_regular()) throw storage_error("cannot read {}: it is not a regular file", path.native());
  std::string text(file.size_bytes(), '\0');
  pread_all(file.get(), std::as_writable_bytes(std::span(text)), 0, path.native());
  return text;
}

void sync_path(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw system_error("open for sync", path.native());
  const FileDescriptor file(fd);
  if (::fsync(fd) != 0) throw system_error("sync", path.native());
}

void rename_synced(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw system_error("rename to", to.native());
  const auto parent = to.parent_path();
  sync_path(parent.empty() ? std::filesystem::path(".") : parent);
}

UnfinishedFile::UnfinishedFile(const std::filesystem::path& path)
    : beside_(fmt::format("{}.tmp.{}", path.native(), ::getpid())) {
  const std::lock_guard lock(unfinished().mutex);
  unfinished().paths.insert(beside_.native());
}

UnfinishedFile::~UnfinishedFile() {
  const std::lock_guard lock(unfinished().mutex);
  unfinished().paths.erase(beside_.native());
  ::unlink(beside_.c_str());
}

void remove_unfinished_files() {
  // Not a lock: its holder may be in a file system that hangs.
  for (int tries = 0; !unfinished().mutex.try_lock(); ++tries) {
    if (tries == 100) return;
    ::usleep(1000);
  }
  for (const std::string& path : unfinished().paths) ::unlink(path.c_str());
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  const UnfinishedFile file_beside(path);
  const std::filesystem::path& beside = file_beside.path();
  {
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode);
    if (fd < 0) throw system_error("create", beside.native());
    const FileDescriptor file(fd);
    pwrite_all(fd, std::as_bytes(std::span(content)), 0, beside.native());
    if (::fsync(fd) != 0) throw system_error("sync", beside.native());
  }
  rename_synced(beside, path);
}

void append_line(const std::filesystem::path& path, std::string_view line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (fd < 0) throw system_error("open for appending", path.native());
  const FileDescriptor file(fd);
  const std::string text = std::string(line) + "\n";
  // One write call, so that two writers never interleave inside a line; and a line is whole or absent.
  const std::uint64_t before = file.size_bytes();
  const ssize_t written = ::write(fd, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) return;
  if (written >= 0) errno = ENOSPC;  // what a disk that is almost full answers the first time
  const Error problem = system_error("append to", path.native());
  if (written > 0 && ::ftruncate(fd, static_cast<off_t>(before)) != 0) throw system_error("repair", path.native());
  throw Error(problem);
}

std::uint64_t xxh64(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

std::uint64_t xxh64_of_file(const std::filesystem::path& path) {
  const FileDescriptor file = FileDescriptor::open_read(path);
  XXH64_state_t* state = XXH64_createState();
  XXH64_reset(state, 0);
  std::vector<std::byte> buffer(1 << 20);
  const std::uint64_t size = file.size_bytes();
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), size - offset));
    pread_all(file.get(), part, offset, path.native());
    XXH64_update(state, part.data(), part.size());
  }
  const std::uint64_t digest = XXH64_digest(state);
  XXH64_freeState(state);
  return digest;
}

std::filesystem::path without_slash(std::filesystem::path path) {
  path = path.lexically_normal();
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

std::uint64_t raise_open_file_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::string hex64(std::uint64_t value) { return fmt::format("{:016x}", value); }

}  // namespace clip_hpc
