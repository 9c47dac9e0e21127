// The words of a command line, as all programs read them.
#pragma once

#include <boost/program_options.hpp>
#include <span>
#include <string>

namespace clip_hpc {

// Reads `arguments` into the variables that `options` names, and adds --help to them. Returns false when --help was
// asked for. Throws Error{input} that points to --help.
bool parse_words(std::span<const std::string> arguments, boost::program_options::options_description& options);

// --help: usage and examples, then the options.
std::string help_text(std::string_view usage, const boost::program_options::options_description& options);

}  // namespace clip_hpc
