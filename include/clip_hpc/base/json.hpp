// JSON in and out (nlohmann-json). Keys keep the order in which they were written.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace clip_hpc {

using Json = nlohmann::ordered_json;

Json read_json_file(const std::filesystem::path& path);  // throws storage, naming the file and the byte
void write_json_file(const std::filesystem::path& path, const Json& value);  // indented, atomic

}  // namespace clip_hpc
