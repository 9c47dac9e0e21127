#include "clip_hpc/run/provenance.hpp"

#include <chrono>
#include <ctime>
#include <span>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

Json to_json(const RunCost& cost) {
  return {{"image_macs", cost.image_macs}, {"text_macs", cost.text_macs}, {"parameters", cost.parameters},
          {"patches", cost.patches},       {"kept", cost.kept},           {"context", cost.context}};
}

RunCost cost_from_json(const Json& json) {
  return {.image_macs = json.at("image_macs").get<double>(),
          .text_macs = json.at("text_macs").get<double>(),
          .parameters = json.value("parameters", std::int64_t{0}),
          .patches = json.value("patches", std::int64_t{0}),
          .kept = json.value("kept", std::int64_t{0}),
          .context = json.value("context", std::int64_t{0})};
}

Json to_json(const Provenance& provenance) {
  Json versions = Json::object();
  for (const auto& [name, value] : provenance.versions) versions[name] = value;
  Json json = {{"program_version", provenance.program_version},
               {"git_commit", provenance.git_commit},
               {"versions", std::move(versions)},
               {"hosts", provenance.hosts},
               {"world_size", provenance.world_size},
               {"start_time", provenance.start_time},
               {"command_line", provenance.command_line},
               {"config_hash", provenance.config_hash}};
  if (provenance.cost) json["cost"] = to_json(*provenance.cost);
  if (!provenance.branch_of.empty()) json["branch_of"] = provenance.branch_of;
  return json;
}

Provenance from_json(const Json& json) {
  Provenance provenance;
  provenance.program_version = json.at("program_version").get<std::string>();
  provenance.git_commit = json.value("git_commit", "unknown");
  if (const auto found = json.find("versions"); found != json.end()) {
    for (const auto& [name, value] : found->items()) provenance.versions[name] = value.get<std::string>();
  }
  provenance.hosts = json.value("hosts", std::vector<std::string>{});
  provenance.world_size = json.value("world_size", provenance.world_size);
  provenance.start_time = json.value("start_time", "");
  provenance.command_line = json.value("command_line", std::vector<std::string>{});
  provenance.config_hash = json.value("config_hash", "");
  provenance.branch_of = json.value("branch_of", "");
  if (const auto found = json.find("cost"); found != json.end()) provenance.cost = cost_from_json(*found);
  return provenance;
}

}  // namespace

std::string hash_of_config(std::string_view dump) { return hex64(xxh64(std::as_bytes(std::span(dump)))); }

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fmt::format("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

void append_provenance(const fs::path& file, const Provenance& provenance) {
  std::error_code ignored;
  Json all = fs::exists(file, ignored) ? read_json_array_file(file, "starts of a run") : Json::array();
  all.push_back(to_json(provenance));
  // A command line may hold bytes that are no UTF-8.
  write_file_atomic(file, all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::vector<Provenance> read_provenance(const fs::path& file) {
  std::vector<Provenance> all;
  for (const Json& entry : read_json_array_file(file, "starts of a run")) {
    try {
      all.push_back(from_json(entry));
    } catch (const Json::exception& problem) {
      throw storage_error("{}: entry {} is broken: {}", file.native(), all.size(), problem.what());
    }
  }
  return all;
}

}  // namespace clip_hpc
