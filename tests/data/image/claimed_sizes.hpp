// Small files whose headers claim large images.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "clip_hpc/data/image/decode.hpp"

namespace clip_hpc::test {

inline std::uint32_t crc32_of(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

inline std::vector<std::uint8_t> png_that_claims(std::uint32_t width, std::uint32_t height) {
  std::vector<std::uint8_t> file = encode_png({4, 4, 3, std::vector<std::uint8_t>(48, 7)});
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  };
  put(16, width);
  put(20, height);
  put(29, crc32_of(std::span(file).subspan(12, 17)));
  return file;
}

inline std::vector<std::uint8_t> jpeg_that_claims(std::uint16_t width, std::uint16_t height) {
  std::vector<std::uint8_t> file = encode_jpeg({4, 4, 3, std::vector<std::uint8_t>(48, 7)}, 90);
  std::size_t at = 0;
  while (file.at(at) != 0xFF || file.at(at + 1) != 0xC0) ++at;  // the frame header
  const auto put = [&](std::size_t where, std::uint16_t value) {
    file.at(where) = static_cast<std::uint8_t>(value >> 8);
    file.at(where + 1) = static_cast<std::uint8_t>(value & 0xFF);
  };
  put(at + 5, height);
  put(at + 7, width);
  return file;
}

// Grey, one strip of a few bytes; BITS a pixel, COMPRESSION by its number in the format.
inline std::vector<std::uint8_t> tiff_that_claims(std::uint32_t width, std::uint32_t height, std::uint16_t bits,
                                                  std::uint16_t compression) {
  std::vector<std::uint8_t> file = {'I', 'I', 42, 0, 8, 0, 0, 0, 9, 0};
  const std::size_t behind = 8 + 2 + 9 * 12 + 4;
  const auto put = [&](std::uint16_t tag, std::uint32_t value, bool is_long = true) {
    for (const std::uint32_t half : {std::uint32_t{tag}, is_long ? 4U : 3U}) {
      file.push_back(static_cast<std::uint8_t>(half & 0xFF));
      file.push_back(static_cast<std::uint8_t>(half >> 8));
    }
    for (const std::uint32_t word : {1U, value}) {
      for (int i = 0; i < 4; ++i) file.push_back(static_cast<std::uint8_t>(word >> (8 * i)));
    }
  };
  put(256, width), put(257, height), put(258, bits, false), put(259, compression, false), put(262, 1, false);
  put(273, static_cast<std::uint32_t>(behind)), put(277, 1, false), put(278, height), put(279, 16);
  file.resize(behind + 16);
  return file;
}

}  // namespace clip_hpc::test
