// The few Unicode tools that the embedded sets need: UTF-8 out, UnicodeData.txt in.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/text.hpp"

namespace clip_hpc {

struct NamedCharacter {
  char32_t code = 0;
  std::string name;      // lower case: "latin small letter a with grave"
  std::string category;  // general category: Lu, Ll, Sm, …
};

std::string to_utf8(std::u32string_view text);
std::u32string from_utf8(std::string_view text);  // a broken byte becomes U+FFFD
std::string join_text(std::span<const std::string> parts, std::string_view separator);

// A text file of the Unicode or font packages; when it is missing the error says what to install.
std::string read_package_file(const std::filesystem::path& path, std::string_view debian_package);

// Characters in order of their code; controls and ranges ("<CJK Ideograph, First>") are left out.
std::vector<NamedCharacter> read_unicode_data(const std::filesystem::path& path);

}  // namespace clip_hpc
