#include "clip_hpc/data/packed/npy.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;
using test::TempFolder;

// As numpy.save writes it.
std::string npy(const std::string& header, const std::string& bytes) {
  std::string text = "\x93NUMPY";
  text += '\x01';
  text += '\0';
  text += static_cast<char>(header.size());
  text += '\0';
  return text + header + bytes;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(Npy, NumbersAndPairs) {
  const TempFolder folder;
  const auto path = folder / "a.npy";
  write_file_atomic(
      path, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", bytes_of<float>({0.25F, -1.F, 3.F})));
  EXPECT_EQ(floats_of(read_npy(path), path), (std::vector<float>{0.25F, -1.F, 3.F}));
  write_file_atomic(path,
                    npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", bytes_of<double>({0.25, -1.})));
  EXPECT_EQ(floats_of(read_npy(path), path), (std::vector<float>{0.25F, -1.F}));
  write_file_atomic(path, npy("{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': (2,), }\n",
                              bytes_of<std::uint64_t>({1, 2, 3, 4})));
  const NpyArray pairs = read_npy(path);
  EXPECT_EQ(pairs.descr, "[('f0', '<u8'), ('f1', '<u8')]");
  EXPECT_EQ(pairs.shape, (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(pairs.bytes.size(), 32U);
  expect_error(ErrorKind::storage, {"a.npy", "float32 or float64"}, [&] { floats_of(pairs, path); });
}

TEST(Npy, WhatIsNoArrayIsRefused) {
  const TempFolder folder;
  const auto path = folder / "a.npy";
  const auto refused = [&](const std::string& text, const std::string& words) {
    write_file_atomic(path, text);
    expect_error(ErrorKind::storage, {"a.npy", words}, [&] { read_npy(path); });
  };
  refused("no array, but long enough", "numpy.save");
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n";
  refused(npy(header, "12345678901"), "cut short: 3 elements");
  refused(npy(header, "").substr(0, 20), "cut short");
  refused(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", "1234"), "little-endian");
  refused(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }\n", "1234"), "C order");
  refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", "12345678"), "little-endian");
}

}  // namespace
}  // namespace clip_hpc
