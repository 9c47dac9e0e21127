#include "commands/read_arguments.hpp"

#include <fmt/format.h>

namespace clip_hpc {

bool read_arguments(ArgumentTable& table, std::span<const std::string> arguments, std::string_view usage, bool speak) {
  if (table.parse(arguments)) return true;
  if (speak) fmt::print("{}", table.help(usage));
  return false;
}

bool read_words(std::span<const std::string> arguments, boost::program_options::options_description options,
                std::string_view usage, bool speak) {
  if (parse_words(arguments, options)) return true;
  if (speak) fmt::print("{}", help_text(usage, options));
  return false;
}

}  // namespace clip_hpc
