#pragma once

namespace clip_hpc {

const char* program_version();  // of this source tree, for example "0.1.0"
const char* git_commit();       // twelve digits, or "unknown" when built outside a repository

}  // namespace clip_hpc
