#include "commands/read_arguments.hpp"

#include <fmt/format.h>

namespace clip_hpc {

bool read_arguments(ArgumentTable& table, std::span<const std::string> arguments, std::string_view usage, bool speak) {
  if (table.parse(arguments)) return true;
  if (speak) fmt::print("{}", table.help(usage));
  return false;
}

}  // namespace clip_hpc
