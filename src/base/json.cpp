#include "clip_hpc/base/json.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxJsonDepth) return true;
  }
  return false;
}

}  // namespace

Json parse_json(std::string_view text) {
  if (is_too_deep(text)) {
    throw Json::other_error::create(599, fmt::format("nested deeper than {} levels", kMaxJsonDepth), nullptr);
  }
  return Json::parse(text);
}

Json parse_json_or_discarded(std::string_view text) {
  return is_too_deep(text) ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
}

Json read_json_array_file(const std::filesystem::path& path, std::string_view of) {
  Json json = read_json_file(path);
  if (!json.is_array()) throw storage_error("{} is not a JSON array of {}", path.native(), of);
  return json;
}

Json read_json_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  try {
    return parse_json(text);
  } catch (const Json::exception& problem) {
    throw storage_error("{} is not valid JSON: {}", path.native(), problem.what());
  }
}

void write_json_file(const std::filesystem::path& path, const Json& value) {
  // Names of files and what is in them may be no UTF-8: U+FFFD instead of losing everything at the end.
  write_file_atomic(path, value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace clip_hpc
