// JSON in and out (nlohmann-json). Keys keep the order in which they were written.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace clip_hpc {

using Json = nlohmann::ordered_json;

inline constexpr int kMaxJsonDepth = 100;  // of files and texts from outside: deeper ones end the stack

Json parse_json(std::string_view text);                  // throws Json::exception
Json parse_json_or_discarded(std::string_view text);     // is_discarded() where the text is none
Json read_json_file(const std::filesystem::path& path);  // throws storage, naming the file and the byte
// Throws storage where the file holds no array; `of`: what it should hold, for the message.
Json read_json_array_file(const std::filesystem::path& path, std::string_view of);
void write_json_file(const std::filesystem::path& path, const Json& value);  // indented, atomic

}  // namespace clip_hpc
