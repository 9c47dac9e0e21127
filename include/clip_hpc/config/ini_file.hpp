// The one reader of the project's text formats with sections: configurations, grids, suites.
//   # a comment, to the end of the line
//   [section]
//   key = value
// Blanks around keys and values do not count; there are no quotes and no continued lines, so a value cannot hold "#".
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

// `what` and `option` say in the error which file it is and where its name comes from: "the suite", "--suite".
std::vector<IniLine> read_ini_file(const std::filesystem::path& file, std::string_view what, std::string_view option);

}  // namespace clip_hpc
