#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {

std::string to_utf8(std::u32string_view text) {
  std::string out;
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | c >> 6);
      put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      put(0xE0 | c >> 12);
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    }
  }
  return out;
}

std::u32string from_utf8(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<std::uint8_t>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    char32_t code = more <= 0 ? lead : lead & (0x3F >> more);
    bool whole = more >= 0;
    for (int k = 0; whole && k < more; ++k) {
      whole = i < text.size() && (static_cast<std::uint8_t>(text[i]) & 0xC0) == 0x80;
      if (whole) code = code << 6 | (static_cast<std::uint8_t>(text[i++]) & 0x3F);
    }
    out.push_back(whole ? code : U'\uFFFD');
  }
  return out;
}

std::string join_text(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

std::string read_package_file(const std::filesystem::path& path, std::string_view debian_package) {
  if (!std::filesystem::exists(path)) {
    throw input_error("{} is missing: install the Debian package {}, or run jobs/setup.sh", path.native(),
                      debian_package);
  }
  return read_text_file(path);
}

std::vector<NamedCharacter> read_unicode_data(const std::filesystem::path& path) {
  const std::string text = read_package_file(path, "unicode-data");
  std::vector<NamedCharacter> characters;
  for (const std::string_view line : split_text(text, '\n')) {
    const auto fields = split_text(line, ';');
    if (fields.size() < 3 || fields[1].starts_with('<')) continue;
    std::uint32_t code = 0;
    if (std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), code, 16).ec != std::errc{}) continue;
    std::string name(fields[1]);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    characters.push_back({code, std::move(name), std::string(fields[2])});
  }
  if (characters.empty()) {
    throw input_error("{} holds no character: it should be UnicodeData.txt of the Debian package unicode-data",
                      path.native());
  }
  return characters;
}

}  // namespace clip_hpc
