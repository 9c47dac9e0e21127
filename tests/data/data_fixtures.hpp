// Small packed sets in a folder of their own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc::test {

class TempFolder {
 public:
  TempFolder() {
    static int made = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("clip_hpc_data_test_" + std::to_string(::getpid()) + "_" + std::to_string(made++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Raw grey image `index`: its pixels and captions tell which it is.
inline PackedSample grey_sample(std::uint64_t index, std::uint32_t side = 8) {
  PackedSample sample;
  sample.width = side + static_cast<std::uint32_t>(index % 3);
  sample.height = side;
  for (std::uint32_t i = 0; i < sample.width * sample.height; ++i) {
    sample.image.push_back(static_cast<std::uint8_t>(index * 7 + i * 13));
  }
  sample.captions = "caption " + std::to_string(index);
  sample.uid = {index * 0x9e3779b97f4a7c15ULL, index};
  sample.labels = {{"label", static_cast<std::int32_t>(index % 5)}};
  return sample;
}

using MakeSample = std::function<PackedSample(std::uint64_t)>;

inline std::shared_ptr<PackedSet> make_set(
    const std::filesystem::path& folder, std::uint64_t count, std::uint64_t samples_per_shard = 100,
    const std::string& encoding = "raw", const MakeSample& make = [](std::uint64_t i) { return grey_sample(i); }) {
  DatasetInfo info;
  info.name = folder.filename().native();
  info.encoding = encoding;
  info.channels = encoding == "raw" ? 1 : 3;
  info.source = "test";
  SetWriter writer(folder, info, {.samples_per_shard = samples_per_shard});
  for (std::uint64_t i = 0; i < count; ++i) writer.add(make(i));
  writer.finish();
  return std::make_shared<PackedSet>(folder);
}

inline void flip_byte(const std::filesystem::path& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int old = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(old ^ 0x55));
}

}  // namespace clip_hpc::test
