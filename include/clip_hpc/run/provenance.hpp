// provenance.json: an array with one entry a start of the run (the first, and each resume): what ran, where, how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

struct Provenance {
  std::string program_version;
  std::string git_commit;
  std::map<std::string, std::string> versions;  // "LibTorch": "2.11.0", "MPI": …
  std::vector<std::string> hosts;
  std::int64_t world_size = 1;  // ranks
  std::string start_time;       // UTC, ISO 8601
  std::vector<std::string> command_line;
  std::string config_hash;  // hash_of_config of config.cfg
};

std::string hash_of_config(std::string_view dump);  // xxh64, 16 digits
std::string utc_now();                              // 2026-11-23T14:17:10Z

void append_provenance(const std::filesystem::path& file, const Provenance& provenance);  // creates the file
std::vector<Provenance> read_provenance(const std::filesystem::path& file);               // throws storage

}  // namespace clip_hpc
