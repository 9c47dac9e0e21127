// Names, numbers and settings as a grid file writes them. Every complaint names file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "clip_hpc/study/grid.hpp"

namespace clip_hpc {

template <class... Args>
[[noreturn]] void fail_at(const std::filesystem::path& file, int line, fmt::format_string<Args...> format,
                          Args&&... args) {
  throw at_line(file, line, fmt::format(format, std::forward<Args>(args)...));
}

// Letters, digits and . + -. No "_": it joins the labels of a cell's name, so that different labels make different
// names.
bool is_label(const std::string& text);

// NAME of [KIND NAME].
std::string name_in_section(const std::filesystem::path& file, const IniLine& line);

std::int64_t whole_number(const std::filesystem::path& file, const IniLine& line, std::int64_t low);
double positive_number(const std::filesystem::path& file, const IniLine& line);

// Checks the key and, unless some build may not know it yet, leaves the value to the check of the whole cell.
void add_setting(const std::filesystem::path& file, Settings& settings, const std::string& key, std::string value,
                 int line);

Settings parse_settings(const std::filesystem::path& file, const std::string& text, int line);  // "key=value key=value"

}  // namespace clip_hpc
