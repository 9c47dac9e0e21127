// Reading protocol buffers, as far as a SentencePiece model needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace clip_hpc {

// One field of a protocol buffer message: a number (varint, or fixed of 4 or 8 bytes) or bytes.
struct ProtoField {
  std::uint64_t id = 0, number = 0;
  std::string_view bytes;
};

// The next field of what is left of a message; nothing at its end, or where it makes no sense.
std::optional<ProtoField> next_field(std::string_view& rest);

}  // namespace clip_hpc
