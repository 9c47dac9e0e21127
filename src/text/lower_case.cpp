#include "clip_hpc/text/lower_case.hpp"

#include <algorithm>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/clip_bpe.hpp"
#include "text/proto_field.hpp"

namespace clip_hpc {
namespace {

// Of ModelProto, whose fields from 200 on are free.
constexpr std::uint64_t kCleaningField = 700;
constexpr std::string_view kFieldKey = "\xe0\x2b";  // its number, and that a varint follows
constexpr std::uint64_t kNormalizerSpec = 3, kNormalizerName = 1;

// "nmt_nfkc_cf", "nfkc_cf"
bool folds_case(std::string_view model) {
  std::string_view name;
  while (const auto field = next_field(model)) {
    std::string_view inner = field->bytes;
    if (field->id != kNormalizerSpec) continue;
    while (const auto spec = next_field(inner)) {
      if (spec->id == kNormalizerName) name = spec->bytes;
    }
  }
  return name.ends_with("_cf");
}

bool lies_in_a_set_or_run(const std::filesystem::path& file) {
  std::error_code ignored;
  const std::filesystem::path folder = file.parent_path();
  return std::filesystem::exists(folder / "dataset.json", ignored) ||
         std::filesystem::exists(folder / "provenance.json", ignored);
}

}  // namespace

std::optional<Cleaning> stated_cleaning(std::string_view model) {
  std::optional<Cleaning> stated;
  while (const auto field = next_field(model)) {
    if (field->id != kCleaningField) continue;
    const auto largest = static_cast<std::uint64_t>(Cleaning::canonical);
    stated = static_cast<Cleaning>(std::min(field->number, largest));
  }
  return stated;
}

std::optional<bool> stated_lower_case(std::string_view model) {
  const std::optional<Cleaning> stated = stated_cleaning(model);
  return stated ? std::optional(*stated != Cleaning::none) : std::nullopt;
}

std::string with_cleaning(std::string_view model, Cleaning cleaning) {
  std::string bytes(model);
  bytes += kFieldKey;  // of a field that is there twice the last one counts
  bytes += static_cast<char>(cleaning);
  return bytes;
}

std::string_view without_cleaning(std::string_view model) {
  const auto says_it = [&] {
    return model.size() > kFieldKey.size() && model.substr(0, model.size() - 1).ends_with(kFieldKey) &&
           static_cast<unsigned char>(model.back()) <= static_cast<unsigned char>(Cleaning::canonical);
  };
  while (says_it()) model.remove_suffix(kFieldKey.size() + 1);
  return model;
}

std::string given_tokenizer(const std::filesystem::path& file, bool lower_case) {
  std::string bytes = read_text_file(file);
  if (ClipBpe::is_merges(bytes) || folds_case(bytes)) return bytes;
  if (!lower_case && (stated_lower_case(bytes) || lies_in_a_set_or_run(file))) return bytes;
  return stated_lower_case(bytes) == lower_case
             ? bytes
             : with_cleaning(bytes, lower_case ? Cleaning::lower_ascii : Cleaning::none);
}

}  // namespace clip_hpc
