// What stands beside an image: the json of img2dataset and DataComp, captions, and the uid that names a sample.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

using Uid = std::array<std::uint64_t, 2>;

// An object, empty where the text is none. Bytes that are no UTF-8 and lone surrogates become U+FFFD: Python writes
// such files.
struct SampleJson {
  Json about;
  bool is_repaired = false;  // something became U+FFFD
};
SampleJson sample_json(std::span<const std::uint8_t> bytes);

std::optional<Uid> uid_in(const Json& about);  // "uid", 32 hexadecimal digits as in DataComp

// Where nothing names the sample: of its image and caption as they are in the input, and of the path below the input.
// Folders may be moved, and two of them may hold files of the same names.
Uid content_uid(std::span<const std::uint8_t> image, std::string_view caption, std::string_view path);

// A text without a byte-order mark.
std::string text_of(std::span<const std::uint8_t> bytes);

// The first caption that is not empty: of the json keys in `keys`, then `txt`, then json's "caption".
std::string caption_of(const Json& about, const std::string& txt, std::span<const std::string> keys);
// Names of the json's texts, for a message: what else could be the caption.
std::vector<std::string> text_keys(const Json& about);

}  // namespace clip_hpc
