#include "clip_hpc/data/packed/hdf5_handle.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

// Before the first use of the library. What it writes as the process ends is nothing but what already failed, on a full
// disk for example, and that crashes; every file is closed before.
void prepare_hdf5() {
  static const herr_t once = H5dont_atexit();
  static_cast<void>(once);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // our messages say more than its stack does
}

// HDF5 locks each file that it opens. Some file systems have no locks (ENOLCK, EOPNOTSUPP), and it then calls a good
// file damaged. Complete files do not change, so that reading needs none.
Hid file_access(bool locked) {
  Hid access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  H5Pset_file_locking(access.get(), locked, true);
#else
  static_cast<void>(locked);  // HDF5_USE_FILE_LOCKING=FALSE is then for the user to set
#endif
  return access;
}

bool is_held_by_another(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const FileDescriptor file(fd);
  return ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Error write_failed(const std::filesystem::path& path, std::string_view what) {
  return storage_error("cannot write {} into {}: is the disk full or the quota reached?", what, path.native());
}

// Contiguous and allocated at once. Not valid: it could not be made.
Hid create_dataset(const Hid& file, const std::string& name, hid_t type, std::span<const hsize_t> shape) {
  const Hid space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Hid creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(creation.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation.get(), false);
  return {H5Dcreate2(file.get(), name.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Dclose};
}

constexpr std::size_t kMostTextBytes = 1 << 20;  // of an attribute

Hid open_attribute(const Hid& file, const char* name, const std::filesystem::path& path) {
  Hid attribute(H5Aopen(file.get(), name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) {
    throw storage_error("{} has no attribute {}: it was not written by clip_hpc, write it again", path.native(), name);
  }
  // HDF5 writes as many values as the file says into the caller's memory.
  const Hid space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw storage_error("{}: attribute {} is not one value: write the file again", path.native(), name);
  }
  return attribute;
}

}  // namespace

Hid open_hdf5(const std::filesystem::path& path, Hdf5Use use) {
  prepare_hdf5();
  if (!std::filesystem::exists(path)) throw storage_error("{} does not exist: check the path", path.native());
  const unsigned mode = use == Hdf5Use::change ? H5F_ACC_RDWR : H5F_ACC_RDONLY;
  Hid file(H5Fopen(path.c_str(), mode, file_access(false).get()), H5Fclose);
  if (!file.valid()) {
    throw storage_error("{} is not a whole HDF5 file (truncated or damaged): copy or write it again", path.native());
  }
  return file;
}

hid_t create_hdf5_file(const std::filesystem::path& path, hid_t creation, bool aligned) {
  prepare_hdf5();
  for (const bool locked : {true, false}) {  // locked where that works
    const Hid access = file_access(locked);
    if (aligned) H5Pset_alignment(access.get(), 1 << 16, 4096);  // large datasets start on a page
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access.get());
    if (file >= 0) return file;
    if (is_held_by_another(path)) break;
  }
  return -1;
}

Hid create_hdf5(const std::filesystem::path& path) {
  prepare_hdf5();
  const Hid creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);
  errno = 0;
  Hid file(create_hdf5_file(path, creation.get(), true), H5Fclose);
  if (!file.valid() && errno == EWOULDBLOCK) {
    throw storage_error("{} is being written by another process: wait for it, or stop it", path.native());
  }
  if (!file.valid()) {
    throw storage_error("cannot create {}: {}; check that the folder is writable and the disk not full", path.native(),
                        errno != 0 ? std::strerror(errno) : "HDF5 says no more");
  }
  return file;
}

bool has_dataset(const Hid& file, const std::string& name) {
  return H5Lexists(file.get(), name.c_str(), H5P_DEFAULT) > 0;
}

FileRegion region_of(const Hid& file, const std::string& dataset, std::size_t element_bytes,
                     const std::filesystem::path& path) {
  const Hid handle(H5Dopen2(file.get(), dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (!handle.valid()) {
    throw storage_error("{} has no dataset {}: repack the set with clip_hpc pack", path.native(), dataset);
  }
  const Hid type(H5Dget_type(handle.get()), H5Tclose);
  const Hid space(H5Dget_space(handle.get()), H5Sclose);
  const haddr_t offset = H5Dget_offset(handle.get());
  if (offset == HADDR_UNDEF || H5Tget_size(type.get()) != element_bytes) {
    throw storage_error(
        "{}: dataset {} is not contiguous with {} bytes an element (chunked or compressed?): repack it with "
        "clip_hpc pack",
        path.native(), dataset, element_bytes);
  }
  const auto elements = static_cast<std::uint64_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space.get())));
  const std::uint64_t file_bytes = std::filesystem::file_size(path);
  if (offset > file_bytes || elements > (file_bytes - offset) / element_bytes) {
    throw storage_error("{}: dataset {} goes beyond the end of the file: copy or repack it", path.native(), dataset);
  }
  return {offset, elements * element_bytes};
}

void write_dataset(const Hid& file, const std::string& name, hid_t type, std::uint64_t rows, std::uint64_t columns,
                   const void* values, const std::filesystem::path& path) {
  const std::array<hsize_t, 2> shape{rows, columns};
  Hid dataset = create_dataset(file, name, type, std::span(shape).first(columns == 0 ? 1 : 2));
  if (!dataset.valid() || H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0 ||
      !dataset.close()) {
    throw write_failed(path, name);
  }
}

std::uint64_t lay_out_dataset(const Hid& file, const std::string& name, hid_t type,
                              std::span<const std::uint64_t> shape, const std::filesystem::path& path) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  Hid dataset = create_dataset(file, name, type, extents);
  const haddr_t offset = dataset.valid() ? H5Dget_offset(dataset.get()) : HADDR_UNDEF;
  if (offset == HADDR_UNDEF || !dataset.close()) throw write_failed(path, name);
  return offset;
}

std::uint64_t read_attribute_u64(const Hid& file, const char* name, const std::filesystem::path& path) {
  const Hid attribute = open_attribute(file, name, path);
  std::uint64_t value = 0;
  if (H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value) < 0) {
    throw storage_error("{}: attribute {} is not a number: write the file again", path.native(), name);
  }
  return value;
}

std::string read_attribute_text(const Hid& file, const char* name, const std::filesystem::path& path) {
  const Hid attribute = open_attribute(file, name, path);
  const Hid type(H5Aget_type(attribute.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
    throw storage_error("{}: attribute {} is not a fixed-length text: write the file again", path.native(), name);
  }
  std::string text(std::min(H5Tget_size(type.get()), kMostTextBytes), '\0');
  if (text.size() == kMostTextBytes || H5Aread(attribute.get(), type.get(), text.data()) < 0) {
    throw storage_error("{}: cannot read the attribute {}", path.native(), name);
  }
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

void write_attribute(const Hid& file, const char* name, std::uint64_t value, const std::filesystem::path& path) {
  const Hid space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hid attribute(H5Acreate2(file.get(), name, H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid() || H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value) < 0) throw write_failed(path, name);
}

void change_attribute(const Hid& file, const char* name, std::uint64_t value, const std::filesystem::path& path) {
  const Hid attribute = open_attribute(file, name, path);
  if (H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value) < 0) throw write_failed(path, name);
}

void write_attribute(const Hid& file, const char* name, const std::string& value, const std::filesystem::path& path) {
  const Hid space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hid type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), value.size() + 1);
  const Hid attribute(H5Acreate2(file.get(), name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid() || H5Awrite(attribute.get(), type.get(), value.c_str()) < 0) throw write_failed(path, name);
}

}  // namespace clip_hpc
