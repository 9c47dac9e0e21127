// state.h5: flat fp32 buffers that many ranks write at once. HDF5 lays the file out once (contiguous, early allocation)
// and gives the offsets; the bytes go by pwrite and pread, without a lock. Any HDF5 tool still opens the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct StateBuffer {
  std::string name;
  std::uint64_t offset_bytes = 0;
  std::int64_t numel = 0;
};

// Creates the file with one fp32 dataset a buffer, and returns the buffers with their places in the file.
std::vector<StateBuffer> create_state_file(const std::filesystem::path& path, std::vector<StateBuffer> buffers);
// Where the datasets of an existing file lie. Throws storage for a file that is not one of ours.
std::vector<StateBuffer> open_state_file(const std::filesystem::path& path);

}  // namespace clip_hpc
