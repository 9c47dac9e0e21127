// provenance.json: an array with one entry a start of the run (the first, and each resume): what ran, where, how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

// Forward multiply-adds of one image-text pair, and what they depend on. The text is counted with all its positions, as
// the paper and clip_study count it.
struct RunCost {
  double image_macs = 0;  // with the patches that are kept
  double text_macs = 0;
  std::int64_t parameters = 0;  // of both towers
  std::int64_t patches = 0;     // of an image
  std::int64_t kept = 0;        // of them, in training
  std::int64_t context = 0;     // positions of a text
  double macs() const { return image_macs + text_macs; }
};

struct Provenance {
  std::string program_version;
  std::string git_commit;
  std::map<std::string, std::string> versions;  // "LibTorch": "2.11.0", "MPI": …
  std::vector<std::string> hosts;
  std::int64_t world_size = 1;  // ranks
  std::string start_time;       // UTC, ISO 8601
  std::vector<std::string> command_line;
  std::string config_hash;      // hash_of_config of config.cfg
  std::optional<RunCost> cost;  // runs of older versions have none
  std::string branch_of;        // the run folder from whose checkpoint this run was started; empty: none
};

std::string hash_of_config(std::string_view dump);  // xxh64, 16 digits
std::string utc_now();                              // 2026-11-23T14:17:10Z

void append_provenance(const std::filesystem::path& file, const Provenance& provenance);  // creates the file
std::vector<Provenance> read_provenance(const std::filesystem::path& file);               // throws storage

}  // namespace clip_hpc
