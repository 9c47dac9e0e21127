#include "clip_hpc/config/ini_file.hpp"

#include <fstream>
#include <iterator>

#include "clip_hpc/base/text.hpp"

namespace clip_hpc {

Error at_line(const std::filesystem::path& file, int number, const std::string& what) {
  return input_error("{}:{}: {}", file.native(), number, what);
}

std::string full_key_of(const IniLine& line) {
  if (line.section.empty()) return line.key;
  return line.section + (line.section.ends_with('.') ? "" : ".") + line.key;
}

std::vector<IniLine> parse_ini(std::string_view text, const std::filesystem::path& file) {
  std::vector<IniLine> lines;
  std::string section;
  int number = 0, section_number = 0;
  for (const std::string_view whole : split_text(text, '\n')) {
    ++number;
    const std::string_view line = trim(whole.substr(0, whole.find('#')));
    if (line.empty()) continue;
    if (line.front() == '[') {
      if (line.size() < 2 || line.back() != ']') throw at_line(file, number, "a section is written [name]");
      section = line.substr(1, line.size() - 2);
      section_number = number;
      lines.push_back({section, "", "", number, section_number});
      continue;
    }
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw at_line(file, number, fmt::format("expected key = value, got \"{}\"", line));
    }
    lines.push_back({section, std::string(trim(line.substr(0, equals))), std::string(trim(line.substr(equals + 1))),
                     number, section_number});
  }
  return lines;
}

std::vector<IniLine> read_ini_file(const std::filesystem::path& file, std::string_view what, std::string_view option) {
  std::error_code none;
  // What a shell gives as <(…) is a pipe with a writer; a pipe by a name of its own may never have one.
  const bool is_of_shell = file.native().starts_with("/dev/") || file.native().starts_with("/proc/self/fd/");
  if (std::filesystem::exists(file, none) && !std::filesystem::is_regular_file(file, none) && !is_of_shell) {
    throw input_error("{} is not a file: {} takes {} as a text file", file.native(), option, what);
  }
  std::ifstream stream(file);
  if (!stream) throw input_error("cannot open {} {}: check {}", what, file.native(), option);
  return parse_ini(std::string(std::istreambuf_iterator<char>(stream), {}), file);
}

}  // namespace clip_hpc
