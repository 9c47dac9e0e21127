// Where packed sets are: below data/packed, their default home. What an older project folder has in packed/ is found.
#pragma once

#include <filesystem>
#include <string>

namespace clip_hpc {

// A packed set, or a file inside one, as a user names it. Where data/packed/X does not exist but packed/X does, that
// one, with one log line. Any other path stays as it is.
std::filesystem::path packed_path(const std::filesystem::path& named);

// For a message about a path that does not exist: "; data/packed/X exists" where packed/X was named, else empty.
std::string packed_hint(const std::filesystem::path& named);

}  // namespace clip_hpc
