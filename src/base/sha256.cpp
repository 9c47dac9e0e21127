#include "clip_hpc/base/sha256.hpp"

#include <openssl/evp.h>

#include <cstddef>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

std::array<std::uint8_t, 32> sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw internal_error("libcrypto cannot compute SHA-256");
  }
  return digest;
}

std::array<std::uint64_t, 2> hash_uid(std::string_view text) {
  const auto digest = sha256(text);
  std::array<std::uint64_t, 2> uid{};
  for (std::size_t i = 0; i < 16; ++i) uid[i / 8] = uid[i / 8] << 8 | digest[i];
  return uid;
}

int hash_percent(std::string_view text) { return static_cast<int>((hash_uid(text)[0] >> 32) % 100); }

}  // namespace clip_hpc
