// Arrays of NumPy (.npy, version 1 to 3): what other programs give scores and lists of samples in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct NpyArray {
  std::string descr;  // as NumPy writes it: '<f4', or [('f0', '<u8'), ('f1', '<u8')]
  std::vector<std::uint64_t> shape;
  std::string bytes;  // row-major, little-endian
};

// Throws storage for a file that is none, is cut short, is in Fortran order, or holds Python objects.
NpyArray read_npy(const std::filesystem::path& path);

std::vector<float> floats_of(const NpyArray& array, const std::filesystem::path& path);  // of f4 or f8, one dimension

}  // namespace clip_hpc
