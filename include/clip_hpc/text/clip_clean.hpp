// How open_clip's tokenizers clean a caption before it is cut into tokens: ftfy.fix_text, HTML entities twice, white
// space, lower case.
#pragma once

#include <string>
#include <string_view>

namespace clip_hpc {

// The same text as open_clip's `clean="lower"`, but for two things: text that was decoded with a wrong encoding (such
// as a UTF-8 e-acute read as Latin-1) is left as it is, where ftfy guesses the right one; and characters that are
// younger than this Unicode library are no letters.
std::string clip_clean(std::string_view caption);

// The same text as `clean="canonicalize"`, which SigLIP's models are trained with: ASCII punctuation goes, `_` becomes
// a space.
std::string canonical_clean(std::string_view caption);

}  // namespace clip_hpc
