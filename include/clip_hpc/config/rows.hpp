// A choice by name is a row of a table: what every table does with its rows. A row has `name` and `help`.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

template <class Rows>
std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.emplace_back(row.name);
  return names;
}

// "`clip`; `flip`: a share of the patches is dropped in training"
template <class Rows>
std::string help_of(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) {
    const std::string_view help = row.help;
    text += fmt::format("{}`{}`{}{}", text.empty() ? "" : "; ", row.name, help.empty() ? "" : ": ", help);
  }
  return text;
}

// The row of that name. `what`: what the table holds, for the message. Throws input, naming the nearest row.
template <class Rows>
const auto& row_named(const Rows& rows, const std::string& name, std::string_view what) {
  const auto found = std::ranges::find_if(rows, [&](const auto& row) { return row.name == name; });
  if (found == std::end(rows)) {
    throw input_error("unknown {} \"{}\"; did you mean \"{}\"?", what, name, nearest_word(name, names_of(rows)));
  }
  return *found;
}

}  // namespace clip_hpc
