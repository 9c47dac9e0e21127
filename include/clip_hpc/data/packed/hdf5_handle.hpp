// HDF5 identifiers that close themselves, and the few calls that the suite needs. HDF5 is not thread-safe here: use it
// from one thread at a time; bytes are read by pread.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

namespace clip_hpc {

class Hid {
 public:
  using Close = herr_t (*)(hid_t);
  Hid() = default;
  Hid(hid_t id, Close closer) : id_(id), close_(closer) {}
  Hid(Hid&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hid& operator=(Hid&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Hid(const Hid&) = delete;
  Hid& operator=(const Hid&) = delete;
  ~Hid() {
    if (id_ >= 0) close_(id_);
  }
  hid_t get() const { return id_; }
  bool valid() const { return id_ >= 0; }
  bool close() { return close_(std::exchange(id_, -1)) >= 0; }  // false: data may not have reached the file

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// Where a contiguous dataset lies in its file.
struct FileRegion {
  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = 0;
};

// All throw storage, naming the file.
enum class Hdf5Use { read, change };
Hid open_hdf5(const std::filesystem::path& path, Hdf5Use use = Hdf5Use::read);  // without a lock
// H5Fcreate, with a lock on the file where the file system has locks. Negative: it failed.
hid_t create_hdf5_file(const std::filesystem::path& path, hid_t creation, bool aligned);
Hid create_hdf5(const std::filesystem::path& path);  // byte-deterministic: no times are stored
FileRegion region_of(const Hid& file, const std::string& dataset, std::size_t element_bytes,
                     const std::filesystem::path& path);
void write_dataset(const Hid& file, const std::string& name, hid_t type, std::uint64_t rows, std::uint64_t columns,
                   const void* values, const std::filesystem::path& path);  // contiguous, early; columns 0: rank 1
// Makes room for a dataset whose bytes come by pwrite, perhaps from many ranks. Returns where it begins, in bytes.
std::uint64_t lay_out_dataset(const Hid& file, const std::string& name, hid_t type,
                              std::span<const std::uint64_t> shape, const std::filesystem::path& path);
bool has_dataset(const Hid& file, const std::string& name);

std::uint64_t read_attribute_u64(const Hid& file, const char* name, const std::filesystem::path& path);
std::string read_attribute_text(const Hid& file, const char* name, const std::filesystem::path& path);
void write_attribute(const Hid& file, const char* name, std::uint64_t value, const std::filesystem::path& path);
void change_attribute(const Hid& file, const char* name, std::uint64_t value, const std::filesystem::path& path);
void write_attribute(const Hid& file, const char* name, const std::string& value, const std::filesystem::path& path);

}  // namespace clip_hpc
