#include "clip_hpc/text/lower_case.hpp"

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/clip_bpe.hpp"
#include "text/proto_field.hpp"

namespace clip_hpc {
namespace {

// Of ModelProto, whose fields from 200 on are free.
constexpr std::uint64_t kLowerCaseField = 700;
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

std::optional<bool> stated_lower_case(std::string_view model) {
  std::optional<bool> stated;
  while (const auto field = next_field(model)) {
    if (field->id == kLowerCaseField) stated = field->number != 0;
  }
  return stated;
}

std::string with_lower_case(std::string_view model, bool lower_case) {
  std::string bytes(model);
  bytes += kFieldKey;  // of a field that is there twice the last one counts
  bytes += lower_case ? '\x01' : '\x00';
  return bytes;
}

std::string given_tokenizer(const std::filesystem::path& file, bool lower_case) {
  std::string bytes = read_text_file(file);
  if (ClipBpe::is_merges(bytes) || folds_case(bytes)) return bytes;
  if (!lower_case && (stated_lower_case(bytes) || lies_in_a_set_or_run(file))) return bytes;
  return stated_lower_case(bytes) == lower_case ? bytes : with_lower_case(bytes, lower_case);
}

}  // namespace clip_hpc
