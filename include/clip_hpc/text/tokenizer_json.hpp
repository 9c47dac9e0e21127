// A SentencePiece model as the tokenizer.json of Hugging Face's tokenizers, which open_clip loads from an exported
// folder.
#pragma once

#include <string>
#include <string_view>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

// `model`: the bytes of a .model file, of kind bpe or unigram. ASCII letters are lowered, unless the model says
// otherwise (lower_case.hpp), and the end token is added, as Tokenizer does. Throws input, naming `name`, for a model
// that tokenizer.json cannot express.
Json tokenizer_json(std::string_view model, const std::string& name);

// Whether such a file puts captions into lower case.
bool lowers_case(const Json& tokenizer);

// What stands beside it: tokenizer_config.json, with the end token as padding up to `context` tokens.
Json tokenizer_config_json(std::string_view model, const std::string& name, std::int64_t context);

}  // namespace clip_hpc
