// SHA-256 (FIPS 180-4). Decides which samples are held out, so that any other program can repeat the split.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace clip_hpc {

std::array<std::uint8_t, 32> sha256(std::string_view text);

// int(hashlib.sha256(text).hexdigest()[:8], 16) % 100 in Python's words: 0 .. 99, the same on every machine.
int hash_percent(std::string_view text);

// The first 16 bytes of the digest as two numbers: the id of a sample.
std::array<std::uint64_t, 2> hash_uid(std::string_view text);

}  // namespace clip_hpc
