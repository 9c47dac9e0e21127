#include "words.hpp"

#include <sstream>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace po = boost::program_options;

namespace clip_hpc {

bool read_words(std::span<const std::string> arguments, po::options_description options, std::string_view usage,
                bool speak) {
  options.add_options()("help,h", "this text");
  po::variables_map map;
  try {
    // "--dat" is not "--data": a word that a later version adds must not change what a job script means.
    constexpr int kStyle = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
                  .options(options)
                  .positional({})
                  .style(kStyle)
                  .run(),
              map);
    if (!map.contains("help")) po::notify(map);
  } catch (const po::error& problem) {
    throw input_error("{}; --help lists the options", problem.what());
  }
  if (!map.contains("help")) return true;
  if (speak) {
    std::ostringstream text;
    text << options;
    fmt::print("{}\n{}", usage, text.str());
  }
  return false;
}

}  // namespace clip_hpc
