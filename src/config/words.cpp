#include "clip_hpc/config/words.hpp"

#include <sstream>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace po = boost::program_options;

namespace clip_hpc {

bool parse_words(std::span<const std::string> arguments, po::options_description& options) {
  options.add_options()("help,h", "this text");
  try {
    po::variables_map map;
    // "--dat" is not "--data": a word that a later version adds must not change what a job script means.
    constexpr int kStyle = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
                  .options(options)
                  .positional({})
                  .style(kStyle)
                  .run(),
              map);
    if (map.contains("help")) return false;
    po::notify(map);
  } catch (const po::error& problem) {
    throw input_error("{}; --help lists the options", problem.what());
  }
  return true;
}

std::string help_text(std::string_view usage, const po::options_description& options) {
  std::ostringstream text;
  text << usage << '\n' << options;
  return text.str();
}

}  // namespace clip_hpc
