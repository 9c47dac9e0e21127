#include "clip_hpc/base/text.hpp"

#include <fmt/ranges.h>

#include <algorithm>

namespace clip_hpc {

std::string_view trim(std::string_view text, std::string_view blanks) {
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split_text(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t first = text.find_first_not_of(kPythonSpaces);
    if (first == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(kPythonSpaces, first), text.size());
    words.emplace_back(text.substr(first, end - first));
    text.remove_prefix(end);
  }
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

namespace {

struct Utf8Piece {
  std::size_t bytes = 1;
  bool valid = false;
};

// The character at the beginning of `text`, or the longest piece of it that could have begun one.
Utf8Piece utf8_piece(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return {};
  unsigned low = 0x80, high = 0xBF;  // of the second byte
  if (lead == 0xE0) low = 0xA0;      // shorter forms
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xED) high = 0x9F;  // surrogates
  if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80, high = 0xBF;
  }
  return {length, true};
}

}  // namespace

std::string listed(std::span<const std::string> words) {
  constexpr std::size_t kShown = 5;
  const std::size_t shown = std::min(words.size(), kShown);
  std::string text = fmt::format("{}", fmt::join(words.first(shown), ", "));
  if (words.size() > shown) text += fmt::format(" and {} more", words.size() - shown);
  return text;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Piece piece = utf8_piece(text);
    if (!piece.valid) return false;
    text.remove_prefix(piece.bytes);
  }
  return true;
}

std::string repaired_utf8(std::string_view text) {
  std::string repaired;
  while (!text.empty()) {
    const Utf8Piece piece = utf8_piece(text);
    repaired += piece.valid ? text.substr(0, piece.bytes) : "\xEF\xBF\xBD";
    text.remove_prefix(piece.bytes);
  }
  return repaired;
}

}  // namespace clip_hpc
