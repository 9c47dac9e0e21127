// The command line of clip_report; a function, so that tests can call it.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace clip_hpc {

int report_command(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);  // exit code

}  // namespace clip_hpc
