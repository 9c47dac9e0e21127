#include "text/proto_field.hpp"

namespace clip_hpc {

std::optional<ProtoField> next_field(std::string_view& rest) {
  const auto varint = [&rest](std::uint64_t& value) {
    value = 0;
    for (int shift = 0; !rest.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  };
  ProtoField field;
  std::uint64_t key = 0, length = 0;
  if (!varint(key)) return std::nullopt;
  field.id = key >> 3;
  switch (key & 7) {
    case 0:
      return varint(field.number) ? std::optional(field) : std::nullopt;
    case 1:
    case 5:
      length = (key & 7) == 1 ? 8 : 4;
      break;
    case 2:
      if (!varint(length)) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  if (length > rest.size()) return std::nullopt;
  field.bytes = rest.substr(0, length);
  rest.remove_prefix(length);
  return field;
}

}  // namespace clip_hpc
