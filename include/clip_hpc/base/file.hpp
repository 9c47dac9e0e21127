// Files that are never half written: write beside, sync, rename.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace clip_hpc {

std::string read_text_file(const std::filesystem::path& path);                        // throws storage
void write_file_atomic(const std::filesystem::path& path, std::string_view content);  // throws storage
// The file beside `path` that a writer of this process makes and renames, so that two of them do not meet. While one of
// these lives, a program that is asked to stop removes it.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::filesystem::path& path);
  ~UnfinishedFile();  // removes it, where it was not renamed
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;
  const std::filesystem::path& path() const { return beside_; }

 private:
  std::filesystem::path beside_;
};
void remove_unfinished_files();  // of this process, which is about to end; other threads may be anywhere

void append_line(const std::filesystem::path& path, std::string_view line);              // line gets its '\n'
void sync_path(const std::filesystem::path& path);                                       // fsync of a file or folder
void rename_synced(const std::filesystem::path& from, const std::filesystem::path& to);  // rename + fsync of the parent
std::uint64_t xxh64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
std::uint64_t xxh64_of_file(const std::filesystem::path& path);
// Raises this process's limit of open files to what it may have (a set holds one open file a shard). Returns the limit.
std::uint64_t raise_open_file_limit();

std::string hex64(std::uint64_t value);  // 16 lower-case digits

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  static FileDescriptor open_read(const std::filesystem::path& path);
  static FileDescriptor open_write(const std::filesystem::path& path);  // must exist
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();
  int get() const { return fd_; }
  std::uint64_t size_bytes() const;
  bool is_regular() const;  // no folder, pipe or device

 private:
  int fd_ = -1;
};

// Whole transfers at an offset, whatever the kernel splits them into. Throw storage, naming `name`.
void pread_all(int fd, std::span<std::byte> into, std::uint64_t offset, std::string_view name);
void pwrite_all(int fd, std::span<const std::byte> from, std::uint64_t offset, std::string_view name);

// "a/b/" as tab completion leaves it -> "a/b", so that filename() and parent_path() mean what they say.
std::filesystem::path without_slash(std::filesystem::path path);

}  // namespace clip_hpc
