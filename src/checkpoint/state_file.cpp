#include "clip_hpc/checkpoint/state_file.hpp"

#include <hdf5.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

class Hid {  // an HDF5 id that closes itself
 public:
  using Close = herr_t (*)(hid_t);
  Hid(hid_t id, Close how, const std::filesystem::path& path, const char* doing) : id_(id), close_(how) {
    if (id < 0) throw storage_error("cannot {} {} (HDF5)", doing, path.native());
  }
  ~Hid() {
    if (id_ >= 0) close_(id_);
  }
  Hid(const Hid&) = delete;
  Hid& operator=(const Hid&) = delete;
  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor): handed to the C interface
  void close(const std::filesystem::path& path) {
    const hid_t id = id_;
    id_ = -1;
    if (close_(id) < 0) throw storage_error("cannot finish {} (HDF5): the disk may be full", path.native());
  }

 private:
  hid_t id_;
  Close close_;
};

std::uint64_t offset_of(hid_t dataset, const std::filesystem::path& path) {
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF)
    throw storage_error("{}: a dataset has no place in the file; it is not a clip_hpc state", path.native());
  return offset;
}

}  // namespace

std::vector<StateBuffer> create_state_file(const std::filesystem::path& path, std::vector<StateBuffer> buffers) {
  Hid file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, path, "create");
  const Hid layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, path, "describe");
  H5Pset_layout(layout, H5D_CONTIGUOUS);
  H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(layout, false);  // equal states are equal files
  for (StateBuffer& buffer : buffers) {
    const auto extent = static_cast<hsize_t>(buffer.numel);
    const Hid space(H5Screate_simple(1, &extent, nullptr), H5Sclose, path, "describe");
    const Hid dataset(H5Dcreate2(file, buffer.name.c_str(), H5T_IEEE_F32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT),
                      H5Dclose, path, "write");
    buffer.offset_bytes = offset_of(dataset, path);
  }
  file.close(path);
  return buffers;
}

std::vector<StateBuffer> open_state_file(const std::filesystem::path& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // errors become ours, not lines on standard error
  const Hid file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, path, "open");
  H5G_info_t info;
  if (H5Gget_info(file, &info) < 0) throw storage_error("cannot list {} (HDF5)", path.native());
  std::vector<StateBuffer> buffers;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::string name(256, '\0');
    const ssize_t length =
        H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, name.data(), name.size(), H5P_DEFAULT);
    name.resize(static_cast<std::size_t>(std::max<ssize_t>(0, length)));
    const Hid dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, path, "read");
    const Hid space(H5Dget_space(dataset), H5Sclose, path, "read");
    buffers.push_back({name, offset_of(dataset, path), H5Sget_simple_extent_npoints(space)});
  }
  return buffers;
}

}  // namespace clip_hpc
