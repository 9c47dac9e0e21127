// Pieces of text: trimmed, split, line by line, valid UTF-8.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

inline constexpr std::string_view kBlanks = " \t\r\n";
inline constexpr std::string_view kPythonSpaces = " \t\n\r\v\f";  // what Python's str.strip() removes from ASCII

std::string_view trim(std::string_view text, std::string_view blanks = kBlanks);

// "a,b,": "a", "b", "". Empty text has one empty part.
std::vector<std::string_view> split_text(std::string_view text, char separator);

std::vector<std::string> split_words(std::string_view text);  // at blanks; none of them is empty

// Lines without their end, "\n" or "\r\n". What follows the last end is a line where it is not empty.
std::vector<std::string> split_lines(std::string_view text);

// "a, b, c" of the first five, "… and 7 more" of others.
std::string listed(std::span<const std::string> words);

bool is_utf8(std::string_view text);  // RFC 3629: no lone surrogates, nothing longer than needed

// Each maximal piece that is no UTF-8 becomes U+FFFD, as Python's decode("utf-8", "replace") has it.
std::string repaired_utf8(std::string_view text);

}  // namespace clip_hpc
