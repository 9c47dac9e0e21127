#include "clip_hpc/run/run_config_file.hpp"

#include <fstream>
#include <set>

#include "clip_hpc/base/error.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

std::string before(const std::string& text, char mark) { return text.substr(0, text.find(mark)); }

// Every assignment of the file, in its order, as "section.key=value".
std::vector<std::string> assignments_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw input_error("cannot open the configuration {}: check --config", file.native());
  std::vector<std::string> all;
  try {
    const bool any_key = true;
    for (const auto& option : po::parse_config_file(stream, po::options_description{}, any_key).options) {
      for (const std::string& value : option.value) all.push_back(option.string_key + "=" + value);
    }
  } catch (const po::error& problem) {
    throw input_error("configuration: {}: {}", file.native(), problem.what());
  }
  return all;
}

}  // namespace

void parse_run_config(OptionTable& table, const std::filesystem::path& file,
                      const std::vector<std::string>& overrides) {
  std::set<std::string> sections, replaced;
  for (const std::string& name : table.names()) sections.insert(before(name, '.'));
  for (const std::string& one : overrides) replaced.insert(before(one, '='));
  std::vector<std::string> all;
  for (const std::string& one : assignments_of(file)) {
    // A list that is given anew replaces that of the file.
    if (sections.contains(before(one, '.')) && !replaced.contains(before(one, '='))) all.push_back(one);
  }
  all.insert(all.end(), overrides.begin(), overrides.end());
  table.parse({}, all);
}

}  // namespace clip_hpc
