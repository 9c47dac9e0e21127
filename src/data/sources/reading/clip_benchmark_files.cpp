#include "data/sources/reading/clip_benchmark_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "clip_hpc/base/text.hpp"

namespace clip_hpc::clip_benchmark {
namespace {

// What ends a line for Python but a carriage return before a line feed, in UTF-8.
constexpr std::array<std::string_view, 10> kLineEnds{"\n",   "\r",   "\v",       "\f",           "\x1c",
                                                     "\x1d", "\x1e", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

}  // namespace

std::filesystem::path tar_path(const std::filesystem::path& split_folder, std::size_t shard) {
  return split_folder / fmt::format("{}.tar", shard);
}

std::size_t line_end_bytes(std::string_view text) {
  if (text.starts_with("\r\n")) return 2;
  for (const std::string_view end : kLineEnds) {
    if (text.starts_with(end)) return end.size();
  }
  return 0;
}

std::vector<std::string> python_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = line_end_bytes(std::string_view(text).substr(i));
    if (bytes > 0) {
      lines.push_back(text.substr(begin, i - begin));
      begin = i + bytes;
    }
    i += std::max<std::size_t>(1, bytes);
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string trimmed(std::string_view text) { return std::string(trim(text, kPythonSpaces)); }

}  // namespace clip_hpc::clip_benchmark
