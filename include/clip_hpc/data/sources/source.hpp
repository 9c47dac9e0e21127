// Where packed sets come from: one row per kind of source. A row declares its own command-line options and opens what
// they name; clip_hpc pack knows nothing else of it.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"

namespace clip_hpc {

class ArgumentTable;

struct SourceSet {
  std::string folder;  // below the output folder; empty: the output folder itself
  PackSource source;
  // What one rank does when all sets of the source are packed, perhaps while other ranks do so for other sets. Returns
  // lines for the log. Empty: nothing.
  std::function<std::vector<std::string>(const std::filesystem::path& output)> finish;
};

struct OpenedSource {
  std::vector<SourceSet> sets;
  std::vector<std::string> warnings;  // for the caller to show once
  bool built_in = false;              // made by this program: its training split gets the tokenizer
  std::filesystem::path made_of;      // a packed set whose tokenizer goes along, unless another one is asked for
};
using OpenSource = std::function<OpenedSource()>;  // throws input for what its options name wrongly

struct SourceKind {
  const char* name;
  const char* help;
  OpenSource (*declare)(ArgumentTable& words);  // its options; what it returns reads them after parsing
};
std::span<const SourceKind> source_kinds();

}  // namespace clip_hpc
