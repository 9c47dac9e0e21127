// The style sheet of the page, light and dark.
#pragma once

namespace clip_hpc {

const char* page_style();

}  // namespace clip_hpc
