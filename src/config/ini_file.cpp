#include "clip_hpc/config/ini_file.hpp"

#include <fstream>
#include <iterator>

#include "clip_hpc/base/text.hpp"

namespace clip_hpc {

namespace {

// Where the comment of a line begins: at its first "#" that is not in quotes; npos: nowhere.
std::size_t comment_of(std::string_view line) {
  const std::size_t equals = line.find('=');
  const auto begins_value = [&](std::size_t i) {
    return equals < i && trim(line.substr(equals + 1, i - equals - 1)).empty();
  };
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"' && (quoted || begins_value(i))) {
      quoted = !quoted;
    } else if (line[i] == '#' && !quoted) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string unquoted(std::string_view text, const std::filesystem::path& file, int number) {
  if (!text.starts_with('"')) return std::string(text);
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (i + 1 < text.size()) throw at_line(file, number, "text follows the closing quote of a value");
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value += text[i];
  }
  throw at_line(file, number, "the quote that begins the value is not closed");
}

}  // namespace

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
    const std::size_t comment = comment_of(whole);
    const std::string_view line = trim(whole.substr(0, comment));
    const bool in_value = line.find('=') != std::string_view::npos && !line.ends_with('=');
    if (comment != std::string_view::npos && in_value && kBlanks.find(whole[comment - 1]) == std::string_view::npos &&
        !line.ends_with('"')) {
      throw at_line(file, number, "write a value that holds \"#\" in quotes, and a blank in front of a comment");
    }
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
    lines.push_back({section, std::string(trim(line.substr(0, equals))),
                     unquoted(trim(line.substr(equals + 1)), file, number), number, section_number});
  }
  return lines;
}

std::string ini_value(const std::string& value) {
  if (value.find('\n') != std::string::npos) throw input_error("\"{}\" holds a line break: leave it out", value);
  if (value.find('#') == std::string::npos && !value.starts_with('"') && trim(value) == value) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
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
