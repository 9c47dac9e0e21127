// Texts and bytes as a self-contained HTML page holds them.
#pragma once

#include <string>
#include <string_view>

namespace clip_hpc {

std::string escape_html(std::string_view text);  // safe as content and inside "…"
std::string base64(std::string_view bytes);

}  // namespace clip_hpc
