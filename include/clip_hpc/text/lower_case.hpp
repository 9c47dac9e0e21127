// What is done to captions before a SentencePiece model sees them. It stands in the model's own file, as a field that
// other programs pass over, so that it goes wherever the tokenizer goes. Without it ASCII letters are put into lower
// case: what earlier versions did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace clip_hpc {

enum class Cleaning : std::uint8_t { none = 0, lower_ascii = 1, canonical = 2 };  // canonical: canonical_clean's

std::optional<Cleaning> stated_cleaning(std::string_view model);
std::optional<bool> stated_lower_case(std::string_view model);         // whether it is more than none
std::string with_cleaning(std::string_view model, Cleaning cleaning);  // the same model, which says so
std::string_view without_cleaning(std::string_view model);             // what says so taken off

// The bytes of a tokenizer file that was given by name, as a packed set or a run folder keeps them. A model of another
// program sees captions as they are, unless `lower_case` is asked for. A file that says its own, one that lies in a
// packed set or run folder, CLIP's merges, and a model that folds case itself stay as they are.
std::string given_tokenizer(const std::filesystem::path& file, bool lower_case);

}  // namespace clip_hpc
