// Whether captions are put into lower case before a SentencePiece model sees them. It stands in the model's own file,
// as a field that other programs pass over, so that it goes wherever the tokenizer goes. Without it the answer is yes:
// what earlier versions did.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace clip_hpc {

std::optional<bool> stated_lower_case(std::string_view model);
std::string with_lower_case(std::string_view model, bool lower_case);  // the same model, which says so

// The bytes of a tokenizer file that was given by name, as a packed set or a run folder keeps them. A model of another
// program sees captions as they are, unless `lower_case` is asked for. A file that says its own, one that lies in a
// packed set or run folder, CLIP's merges, and a model that folds case itself stay as they are.
std::string given_tokenizer(const std::filesystem::path& file, bool lower_case);

}  // namespace clip_hpc
