#include "data/sources/reading/sample_json.hpp"

#include <charconv>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"
#include "data/sources/reading/picture.hpp"

namespace clip_hpc {
namespace {

// The code unit of a \uXXXX escape at `at`; -1: none.
int escaped_unit(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) != "\\u" || at + 6 > text.size()) return -1;
  int unit = 0;
  const char* const digits = text.data() + at + 2;
  return std::from_chars(digits, digits + 4, unit, 16).ptr == digits + 4 ? unit : -1;
}

bool is_surrogate(int unit, int first) { return unit >= first && unit < first + 0x400; }

// "\ud83d" without its other half is no JSON text for a strict reader, though Python's json writes it.
std::string without_lone_surrogates(std::string text) {
  for (std::size_t at = text.find('\\'); at != std::string::npos && at + 1 < text.size(); at = text.find('\\', at)) {
    const int unit = escaped_unit(text, at);
    if (is_surrogate(unit, 0xD800) && is_surrogate(escaped_unit(text, at + 6), 0xDC00)) {
      at += 12;
    } else if (is_surrogate(unit, 0xD800) || is_surrogate(unit, 0xDC00)) {
      text.replace(at, 6, "\\ufffd");
      at += 6;
    } else {
      at += 2;  // another escape, perhaps of a backslash
    }
  }
  return text;
}

}  // namespace

std::string text_of(std::span<const std::uint8_t> bytes) {
  std::string text(bytes.begin(), bytes.end());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

SampleJson sample_json(std::span<const std::uint8_t> bytes) {
  const std::string text = text_of(bytes);
  SampleJson read{.about = parse_json_or_discarded(text), .is_repaired = false};
  if (read.about.is_discarded()) {
    read.about = parse_json_or_discarded(without_lone_surrogates(repaired_utf8(text)));
    read.is_repaired = !read.about.is_discarded();
  }
  if (!read.about.is_object()) read = {.about = Json::object(), .is_repaired = false};
  return read;
}

std::optional<Uid> uid_in(const Json& about) {
  if (!about.contains("uid") || !about["uid"].is_string()) return std::nullopt;
  const auto& text = about["uid"].get_ref<const std::string&>();
  Uid uid{};
  const char* const digits = text.data();
  if (text.size() != 32 || std::from_chars(digits, digits + 16, uid[0], 16).ptr != digits + 16 ||
      std::from_chars(digits + 16, digits + 32, uid[1], 16).ptr != digits + 32) {
    return std::nullopt;
  }
  return uid;
}

Uid content_uid(std::span<const std::uint8_t> image, std::string_view caption, std::string_view path) {
  const auto half = [&](std::uint64_t seed) {
    const std::uint64_t content = xxh64(std::as_bytes(std::span(caption)), xxh64(std::as_bytes(image), seed));
    return xxh64(std::as_bytes(std::span(path)), content);
  };
  return {half(1), half(2)};
}

std::string caption_of(const Json& about, const std::string& txt, std::span<const std::string> keys) {
  const auto of_key = [&](const std::string& key) {
    const auto found = about.find(key);
    return found != about.end() && found->is_string() ? one_line(found->get<std::string>()) : std::string();
  };
  for (const std::string& key : keys) {
    if (std::string caption = of_key(key); !caption.empty()) return caption;
  }
  std::string caption = one_line(txt);
  return caption.empty() ? of_key("caption") : caption;
}

std::vector<std::string> text_keys(const Json& about) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : about.items()) {
    if (value.is_string() && !value.get_ref<const std::string&>().empty() && keys.size() < 8) keys.push_back(key);
  }
  return keys;
}

}  // namespace clip_hpc
