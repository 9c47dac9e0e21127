// The arguments after a command's name: what all commands share in reading them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "clip_hpc/config/arguments.hpp"

namespace clip_hpc {

// Reads `arguments` into the fields that `table` names. Returns false when --help was asked for; the text (usage and
// examples, then the options) is then printed if `speak`. Throws Error{input} that points to --help.
bool read_arguments(ArgumentTable& table, std::span<const std::string> arguments, std::string_view usage, bool speak);

}  // namespace clip_hpc
