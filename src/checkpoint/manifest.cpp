#include "checkpoint/manifest.hpp"

#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

StoredSlice slice_of(const Json& json, const std::string& sum) {
  return {json.at("begin").get<std::int64_t>(), json.at("count").get<std::int64_t>(), sum};
}

// There, all buffers are of one length, and a slice stands for the same elements of all of them.
WrittenBuffers buffers_of_schema_1(const Json& manifest) {
  WrittenBuffers buffers;
  for (const Json& slice : manifest.at("slices")) {
    for (const auto& [name, sum] : slice.at("xxh64").items()) {
      buffers[name].numel = manifest.at("numel").get<std::int64_t>();
      buffers[name].slices.push_back(slice_of(slice, sum.get<std::string>()));
    }
  }
  return buffers;
}

// Of all that the manifest says beside it.
std::string checksum_of(Json manifest) {
  manifest.erase("xxh64");
  const std::string text = manifest.dump(-1, ' ', false, Json::error_handler_t::replace);
  return hex64(xxh64(std::as_bytes(std::span(text))));
}

}  // namespace

std::string problem_of(const Json& manifest) {
  if (const auto sum = manifest.find("xxh64"); sum != manifest.end() && *sum != checksum_of(manifest)) {
    return "its checksum does not match: the file is damaged";
  }
  const Json& about = manifest.at("about");
  const auto number = [&](const char* key) { return about.at(key).get<std::int64_t>(); };
  for (const char* key : {"step", "samples_seen", "applied", "skipped"}) {
    if (!about.at(key).is_number_integer() || number(key) < 0) return fmt::format("{} = {}", key, about.at(key).dump());
  }
  if (number("applied") + number("skipped") != number("step")) return "applied and skipped steps do not add up";
  for (const char* key : {"optimizer", "config_hash"}) {
    if (about.contains(key) && !about.at(key).is_string()) return fmt::format("{} is no text", key);
  }
  return "";
}

Json manifest_of(const std::filesystem::path& folder, const std::vector<StateBuffer>& buffers, const Json& about,
                 const std::vector<std::string>& slices) {
  const bool averages = std::filesystem::exists(folder / kAverageFile);
  Json manifest = {{"schema_version", kSchemaVersion}, {"world_size", slices.size()}};
  manifest["files"] = Json::object();
  for (const char* name : {kStateFile, kWeightsFile, kAverageFile}) {
    if (name != kAverageFile || averages) manifest["files"][name] = std::filesystem::file_size(folder / name);
  }
  manifest["weights_xxh64"] = hex64(xxh64_of_file(folder / kWeightsFile));
  if (averages) manifest["ema_xxh64"] = hex64(xxh64_of_file(folder / kAverageFile));
  manifest["buffers"] = Json::object();
  for (const StateBuffer& buffer : buffers) {
    manifest["buffers"][buffer.name] = {{"numel", buffer.numel}, {"slices", Json::array()}};
  }
  for (const std::string& text : slices) {
    const Json of_rank = Json::parse(text);
    for (const auto& [name, slice] : of_rank.items()) {
      manifest["buffers"][name]["slices"].push_back(slice);
    }
  }
  manifest["about"] = about;
  manifest["xxh64"] = checksum_of(manifest);
  return manifest;
}

WrittenBuffers read_buffers(const std::filesystem::path& manifest_file) {
  const Json manifest = read_json_file(manifest_file);
  try {
    if (manifest.at("schema_version").get<int>() == 1) return buffers_of_schema_1(manifest);
    WrittenBuffers buffers;
    for (const auto& [name, json] : manifest.at("buffers").items()) {
      WrittenBuffer& buffer = buffers[name];
      buffer.numel = json.at("numel").get<std::int64_t>();
      for (const Json& slice : json.at("slices")) {
        buffer.slices.push_back(slice_of(slice, slice.at("xxh64").get<std::string>()));
      }
    }
    return buffers;
  } catch (const Json::exception& problem) {
    throw storage_error("{} is damaged: {}; resume from an older checkpoint", manifest_file.native(), problem.what());
  }
}

}  // namespace clip_hpc
