// The one reader of the project's text formats with sections: configurations, grids, suites.
//   # a comment, to the end of the line
//   [section]
//   key = value
//   key = "a value with #, or with blanks at its ends"
// Blanks around keys and values do not count; there are no continued lines. In quotes \" is a quote and \\ a backslash.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

struct IniLine {
  std::string section;  // as it stands between the brackets; empty before the first section
  std::string key;      // empty: this line is the section's head
  std::string value;
  int number = 0;          // from 1
  int section_number = 0;  // line of the section's head; 0: none yet
};

Error at_line(const std::filesystem::path& file, int number, const std::string& what);  // input, "FILE:LINE: what"

// Throws input, with at_line, where a line is neither a section nor `key = value`. `file` names the text in the error.
std::string full_key_of(const IniLine& line);  // section.key

std::vector<IniLine> parse_ini(std::string_view text, const std::filesystem::path& file);

// The value as parse_ini reads it back: in quotes where it needs them. Throws input for one with a line break.
std::string ini_value(const std::string& value);

// `what` and `option` say in the error which file it is and where its name comes from: "the suite", "--suite".
std::vector<IniLine> read_ini_file(const std::filesystem::path& file, std::string_view what, std::string_view option);

}  // namespace clip_hpc
