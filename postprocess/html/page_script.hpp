// The page's one script: sorts and filters tables, enlarges figures, compares two configurations. Without it the page
// shows the same numbers.
#pragma once

#include <string>

namespace clip_hpc {

const char* page_script();
std::string page_script_hash();  // 'sha256-…' for the Content-Security-Policy: nothing else may run

}  // namespace clip_hpc
