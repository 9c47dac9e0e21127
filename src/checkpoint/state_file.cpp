#include "clip_hpc/checkpoint/state_file.hpp"

#include <hdf5.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"

namespace clip_hpc {
namespace {

Hid had(Hid id, const std::filesystem::path& path, const char* doing) {
  if (!id.valid()) throw storage_error("cannot {} {} (HDF5)", doing, path.native());
  return id;
}

std::uint64_t offset_of(hid_t dataset, const std::filesystem::path& path) {
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF)
    throw storage_error("{}: a dataset has no place in the file; it is not a clip_hpc state", path.native());
  return offset;
}

}  // namespace

std::vector<StateBuffer> create_state_file(const std::filesystem::path& path, std::vector<StateBuffer> buffers) {
  Hid file = had({create_hdf5_file(path, H5P_DEFAULT, false), H5Fclose}, path, "create");
  const Hid layout = had({H5Pcreate(H5P_DATASET_CREATE), H5Pclose}, path, "describe");
  H5Pset_layout(layout.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(layout.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(layout.get(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(layout.get(), false);  // equal states are equal files
  for (StateBuffer& buffer : buffers) {
    const auto extent = static_cast<hsize_t>(buffer.numel);
    const Hid space = had({H5Screate_simple(1, &extent, nullptr), H5Sclose}, path, "describe");
    const Hid dataset = had({H5Dcreate2(file.get(), buffer.name.c_str(), H5T_IEEE_F32LE, space.get(), H5P_DEFAULT,
                                        layout.get(), H5P_DEFAULT),
                             H5Dclose},
                            path, "write");
    buffer.offset_bytes = offset_of(dataset.get(), path);
  }
  if (!file.close()) throw storage_error("cannot finish {} (HDF5): the disk may be full", path.native());
  return buffers;
}

std::vector<StateBuffer> open_state_file(const std::filesystem::path& path) {
  const Hid file = open_hdf5(path);
  H5G_info_t info;
  if (H5Gget_info(file.get(), &info) < 0) throw storage_error("cannot list {} (HDF5)", path.native());
  std::vector<StateBuffer> buffers;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::string name(256, '\0');
    const ssize_t length =
        H5Lget_name_by_idx(file.get(), ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, name.data(), name.size(), H5P_DEFAULT);
    name.resize(static_cast<std::size_t>(std::max<ssize_t>(0, length)));
    const Hid dataset = had({H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose}, path, "read");
    const Hid space = had({H5Dget_space(dataset.get()), H5Sclose}, path, "read");
    buffers.push_back({name, offset_of(dataset.get(), path), H5Sget_simple_extent_npoints(space.get())});
  }
  return buffers;
}

}  // namespace clip_hpc
