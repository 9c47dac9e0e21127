// CLIP's byte pairs as the files that transformers' CLIPTokenizer reads.
#pragma once

#include <string>
#include <string_view>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

// `merges`: of ClipBpe::is_merges. merges.txt, and vocab.json {piece: id}.
std::string clip_merges_file(std::string_view merges);
Json clip_vocabulary_file(std::string_view merges);
// tokenizer_config.json, for captions of `context` tokens.
Json clip_tokenizer_config(std::int64_t context);

}  // namespace clip_hpc
