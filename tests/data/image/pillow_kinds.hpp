// Images of every kind and what Pillow makes of them: pillow_kinds.txt.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc::test {

struct PillowKind {
  std::string name;
  std::vector<std::uint8_t> file, shortest, squash, whole;  // the last three: RGB, row by row
};

inline std::vector<std::uint8_t> from_hex(std::string_view digits) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

inline std::vector<PillowKind> pillow_kinds() {
  const char* root = std::getenv("CLIP_HPC_SOURCE_DIR");
  EXPECT_NE(root, nullptr) << "CLIP_HPC_SOURCE_DIR is not set";
  std::vector<PillowKind> all;
  const std::string text =
      read_text_file(std::filesystem::path(root != nullptr ? root : ".") / "tests/data/image/pillow_kinds.txt");
  for (const std::string& line : split_lines(text)) {
    if (line.starts_with('#')) continue;
    const std::vector<std::string_view> fields = split_text(line, '|');
    all.push_back({std::string(fields.at(0)), from_hex(fields.at(1)), from_hex(fields.at(2)), from_hex(fields.at(3)),
                   from_hex(fields.at(4))});
  }
  return all;
}

}  // namespace clip_hpc::test
